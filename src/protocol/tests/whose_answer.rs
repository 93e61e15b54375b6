// SPDX-License-Identifier: GPL-2.0-only

//! Which reader gets which answer, for process trees of shells and programs.

use kernel::alloc::flags::GFP_KERNEL;
use kernel::sync::Arc;
use kernel::testing::fail_allocations_after;
use protocol::answers::{Answers, Payload, Prepared, Visible};
use protocol::lineage::{Ancestry, Process, KEPT_ANCESTORS};

struct Answer {
    text: &'static str,
    size: usize,
}

impl Payload for Answer {
    fn size(&self) -> usize {
        self.size
    }
}

const SLOTS: usize = 4;
const MAX_BYTES: u64 = 100;

fn answers() -> Answers<Answer> {
    Answers::new(SLOTS, MAX_BYTES, GFP_KERNEL).expect("memory")
}

/// A process, by its id and those of its ancestors.
struct Line<'a>(&'a [i32]);

impl Ancestry for Line<'_> {
    fn walk(&self, mut visit: impl FnMut(Process) -> bool) {
        let process = |tgid: &i32| Process {
            tgid: *tgid,
            start: 1000 + u64::from(tgid.unsigned_abs()),
        };
        let mut line = self.0.iter().map(process);
        while line.next().is_some_and(&mut visit) {}
    }
}

const ROOT: u32 = 0;

fn write_as(answers: &Answers<Answer>, user: u32, writer: &[i32], text: &'static str, size: usize) {
    let writer = Line(writer);
    let answer = Arc::new(Answer { text, size }, GFP_KERNEL).expect("memory");
    let place = Prepared::new(&writer, answer.clone(), GFP_KERNEL).expect("memory");
    answers.publish(place, &writer, user, answer);
}

fn write_sized(answers: &Answers<Answer>, writer: &[i32], text: &'static str, size: usize) {
    write_as(answers, ROOT, writer, text, size);
}

fn write(answers: &Answers<Answer>, writer: &[i32], text: &'static str) {
    write_sized(answers, writer, text, 1);
}

fn read(answers: &Answers<Answer>, reader: &[i32]) -> Option<&'static str> {
    let found = answers.find(&Line(reader), Visible::All);
    found.map(|answer| answer.text)
}

const INIT: i32 = 1;
const SSHD: i32 = 2;
/// Two shells of one terminal program.
const SHELL: [i32; 3] = [10, SSHD, INIT];
const OTHER_SHELL: [i32; 3] = [20, SSHD, INIT];

fn child(tgid: i32, parent: &[i32]) -> Vec<i32> {
    [&[tgid], parent].concat()
}

#[test]
fn nothing_written_nothing_read() {
    assert_eq!(read(&answers(), &SHELL), None);
}

#[test]
fn builtin_echo_then_cat() {
    let answers = answers();
    write(&answers, &SHELL, "mine");
    write(&answers, &OTHER_SHELL, "other");
    assert_eq!(read(&answers, &child(11, &SHELL)), Some("mine"));
    assert_eq!(read(&answers, &child(21, &OTHER_SHELL)), Some("other"));
}

#[test]
fn a_later_command_replaces_the_answer() {
    let answers = answers();
    write(&answers, &SHELL, "first");
    write(&answers, &SHELL, "second");
    assert_eq!(read(&answers, &child(11, &SHELL)), Some("second"));
}

#[test]
fn a_program_that_writes_and_reads_itself() {
    let answers = answers();
    write(&answers, &SHELL, "shell");
    write(&answers, &child(12, &SHELL), "program");
    assert_eq!(read(&answers, &child(12, &SHELL)), Some("program"));
}

#[test]
fn the_nearest_ancestor_that_wrote() {
    let answers = answers();
    let script = child(12, &SHELL);
    write(&answers, &script, "script");
    write(&answers, &SHELL, "shell, later");
    assert_eq!(read(&answers, &child(13, &script)), Some("script"));
    assert_eq!(read(&answers, &child(14, &SHELL)), Some("shell, later"));
}

#[test]
fn bin_echo_then_cat_are_siblings() {
    let answers = answers();
    write(&answers, &child(11, &SHELL), "mine");
    write(&answers, &child(21, &OTHER_SHELL), "other");
    assert_eq!(read(&answers, &child(12, &SHELL)), Some("mine"));
    assert_eq!(read(&answers, &child(22, &OTHER_SHELL)), Some("other"));
}

#[test]
fn sudo_tee_then_sudo_cat() {
    let answers = answers();
    write(&answers, &child(12, &child(11, &SHELL)), "mine");
    write(&answers, &child(22, &child(21, &OTHER_SHELL)), "other");
    assert_eq!(read(&answers, &child(14, &child(13, &SHELL))), Some("mine"));
    assert_eq!(
        read(&answers, &child(24, &child(23, &OTHER_SHELL))),
        Some("other")
    );
}

#[test]
fn the_latest_of_several_siblings() {
    let answers = answers();
    write(&answers, &child(11, &SHELL), "first");
    write(&answers, &child(12, &SHELL), "second");
    assert_eq!(read(&answers, &child(13, &SHELL)), Some("second"));
}

#[test]
fn a_shell_reads_what_its_child_wrote() {
    let answers = answers();
    write(&answers, &child(11, &SHELL), "mine");
    write(&answers, &OTHER_SHELL, "other");
    assert_eq!(
        read(&answers, &SHELL),
        Some("mine"),
        "its child is nearer than its neighbour"
    );
}

#[test]
fn a_subshell_reads_its_own_and_then_its_parents() {
    let answers = answers();
    let subshell = child(11, &SHELL);
    write(&answers, &SHELL, "shell");
    assert_eq!(read(&answers, &child(12, &subshell)), Some("shell"));
    write(&answers, &subshell, "subshell");
    assert_eq!(read(&answers, &child(12, &subshell)), Some("subshell"));
    assert_eq!(read(&answers, &child(13, &SHELL)), Some("shell"));
}

#[test]
fn a_newcomer_reads_the_latest_of_all() {
    let answers = answers();
    write(&answers, &SHELL, "first");
    write(&answers, &OTHER_SHELL, "second");
    assert_eq!(read(&answers, &[30, INIT]), Some("second"));
}

#[test]
fn children_of_init_are_not_relatives() {
    let answers = answers();
    write(&answers, &[30, INIT], "a daemon's");
    write(&answers, &[40, 41, 42], "the latest");
    assert_eq!(read(&answers, &[50, INIT]), Some("the latest"));
}

/// A process that has got the id of a dead shell.
struct Successor;

impl Ancestry for Successor {
    fn walk(&self, mut visit: impl FnMut(Process) -> bool) {
        visit(Process {
            tgid: SHELL[0],
            start: 999_999,
        });
    }
}

#[test]
fn a_reused_pid_is_another_process() {
    let answers = answers();
    write(&answers, &SHELL, "the dead shell's");
    write(&answers, &OTHER_SHELL, "the latest");
    let found = answers.find(&Successor, Visible::All);
    assert_eq!(found.map(|answer| answer.text), Some("the latest"));
}

/// Returns a process that is `generations` below a shell.
fn below(shell: &[i32], generations: i32, first: i32) -> Vec<i32> {
    (first..first + generations)
        .chain(shell.iter().copied())
        .collect()
}

#[test]
fn an_ancestor_however_many_generations_up() {
    for generations in [6, 7, 8, 15, 16, 17, 31, 32, 33, 1000, 100_000] {
        let answers = answers();
        write(&answers, &SHELL, "mine");
        write(&answers, &OTHER_SHELL, "other");
        let reader = below(&SHELL, generations, 1_000_000);
        assert_eq!(read(&answers, &reader), Some("mine"), "{generations}");
        // One in between has written, too.
        write(&answers, &reader[2..], "nearer");
        write(&answers, &OTHER_SHELL, "other");
        assert_eq!(read(&answers, &reader), Some("nearer"), "{generations}");
    }
}

#[test]
fn an_ancestor_that_wrote_goes_before_a_relative_that_is_nearer() {
    let answers = answers();
    let reader = below(&SHELL, 40, 1000);
    write(&answers, &SHELL, "the shell's");
    write(&answers, &child(2000, &reader[1..]), "a sibling's");
    assert_eq!(read(&answers, &reader), Some("the shell's"));
}

#[test]
fn a_relative_of_an_ancestor_far_up() {
    let answers = answers();
    write(&answers, &child(11, &SHELL), "mine");
    write(&answers, &child(21, &OTHER_SHELL), "other");
    assert_eq!(read(&answers, &below(&SHELL, 200, 1000)), Some("mine"));
}

#[test]
fn a_relative_that_wrote_far_below() {
    let kept = KEPT_ANCESTORS as i32;
    for (generations, expected) in [
        (12, "mine"),
        (kept - 1, "mine"),
        (kept, "mine"),
        (kept + 1, "the latest"),
    ] {
        let answers = answers();
        write(&answers, &below(&SHELL, generations, 1000), "mine");
        write(&answers, &[60], "the latest");
        assert_eq!(read(&answers, &SHELL), Some(expected), "{generations}");
    }
}

#[test]
fn without_memory_for_all_ancestors_the_nearest_count() {
    let answers = answers();
    let answer = |text| Arc::new(Answer { text, size: 1 }, GFP_KERNEL).expect("memory");
    let mut place = Prepared::new(&Line(&SHELL), answer(""), GFP_KERNEL).expect("memory");
    let writer = below(&SHELL, 100, 1000);
    let failing = fail_allocations_after(0);
    place.prepare_for(&Line(&writer), GFP_KERNEL);
    drop(failing);
    answers.publish(place, &Line(&writer), ROOT, answer("mine"));
    write(&answers, &[60], "the latest");
    assert_eq!(read(&answers, &writer), Some("mine"));
    assert_eq!(read(&answers, &child(2000, &writer[1..])), Some("mine"));
    assert_eq!(read(&answers, &SHELL), Some("the latest"));
}

#[test]
fn a_private_answer_is_for_relatives_of_the_same_user() {
    const USER: u32 = 1000;
    let answers = answers();
    write_as(&answers, ROOT, &SHELL, "root's", 1);
    let read_as = |user, reader: &[i32]| {
        let found = answers.find(&Line(reader), Visible::OfRelatives { user });
        found.map(|answer| answer.text)
    };
    let cat = child(11, &SHELL);
    assert_eq!(read_as(ROOT, &cat), Some("root's"));
    assert_eq!(read_as(USER, &cat), None, "another user");
    assert_eq!(read_as(ROOT, &[50, INIT]), None, "not related");
    write_as(&answers, USER, &child(12, &SHELL), "the user's", 1);
    assert_eq!(read_as(USER, &cat), Some("the user's"));
    assert_eq!(read_as(ROOT, &cat), Some("root's"));
}

#[test]
fn the_oldest_answer_goes_when_slots_run_out() {
    let answers = answers();
    let texts = ["0", "1", "2", "3", "4"];
    for (tgid, text) in (100..).zip(texts) {
        write(&answers, &[tgid], text);
    }
    assert_eq!(read(&answers, &[100]), Some("4"), "its own is gone");
    assert_eq!(read(&answers, &[101]), Some("1"));
    write(&answers, &[101], "1 again");
    write(&answers, &[105], "5");
    assert_eq!(
        read(&answers, &[101]),
        Some("1 again"),
        "renewed, so not the oldest"
    );
    assert_eq!(read(&answers, &[102]), Some("5"), "its own is gone");
}

#[test]
fn the_oldest_answers_go_when_bytes_run_out() {
    let answers = answers();
    write_sized(&answers, &[100], "a", 40);
    write_sized(&answers, &[101], "b", 40);
    write_sized(&answers, &[102], "c", 20);
    assert_eq!(read(&answers, &[100]), Some("a"), "all fit exactly");
    write_sized(&answers, &[103], "d", 1);
    assert_eq!(read(&answers, &[100]), Some("d"), "its own is gone");
    assert_eq!(read(&answers, &[101]), Some("b"));
}

#[test]
fn one_answer_may_be_larger_than_all_memory_for_answers() {
    let answers = answers();
    write_sized(&answers, &[100], "small", 1);
    write_sized(&answers, &[101], "huge", 1000);
    assert_eq!(read(&answers, &[101]), Some("huge"));
    assert_eq!(read(&answers, &[100]), Some("huge"), "its own is gone");
    write_sized(&answers, &[102], "small", 1);
    assert_eq!(read(&answers, &[101]), Some("small"), "kept until the next");
}

#[test]
fn without_memory_the_previous_answer_stays() {
    let answers = answers();
    write(&answers, &SHELL, "before");
    let answer = Arc::new(
        Answer {
            text: "after",
            size: 1,
        },
        GFP_KERNEL,
    )
    .expect("memory");
    let failing = fail_allocations_after(0);
    assert!(Prepared::new(&Line(&SHELL), answer, GFP_KERNEL).is_err());
    drop(failing);
    assert_eq!(read(&answers, &SHELL), Some("before"));
}

#[test]
fn without_memory_there_are_no_answers_at_all() {
    let _failing = fail_allocations_after(0);
    assert!(Answers::<Answer>::new(SLOTS, MAX_BYTES, GFP_KERNEL).is_err());
}

#[test]
fn without_slots_nothing_is_kept() {
    let answers = Answers::new(0, MAX_BYTES, GFP_KERNEL).expect("memory");
    write(&answers, &SHELL, "lost");
    assert_eq!(read(&answers, &SHELL), None);
}
