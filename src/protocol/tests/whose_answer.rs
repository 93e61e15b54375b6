// SPDX-License-Identifier: GPL-2.0-only

//! Which reader gets which answer, for process trees of shells and programs.

use kernel::alloc::flags::GFP_KERNEL;
use kernel::sync::Arc;
use kernel::testing::fail_allocations_after;
use protocol::answers::{Answers, Lineage, Payload, Prepared, Process, GENERATIONS};

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

/// Returns the lineage of a process, given its id and those of its ancestors.
fn line(tgids: &[i32]) -> Lineage {
    let process = |tgid: &i32| Process {
        tgid: *tgid,
        start: 1000 + u64::from(tgid.unsigned_abs()),
    };
    let (own, ancestors) = tgids.split_first().expect("at least the process itself");
    let mut lineage = Lineage::of(process(own));
    for ancestor in ancestors {
        lineage.push_parent(process(ancestor));
    }
    lineage
}

fn write_sized(answers: &Answers<Answer>, writer: &[i32], text: &'static str, size: usize) {
    let answer = Arc::new(Answer { text, size }, GFP_KERNEL).expect("memory");
    let place = Prepared::new(answer.clone(), GFP_KERNEL).expect("memory");
    answers.publish(place, line(writer), answer);
}

fn write(answers: &Answers<Answer>, writer: &[i32], text: &'static str) {
    write_sized(answers, writer, text, 1);
}

fn read(answers: &Answers<Answer>, reader: &[i32]) -> Option<&'static str> {
    answers.find(&line(reader)).map(|answer| answer.text)
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

#[test]
fn a_reused_pid_is_another_process() {
    let answers = answers();
    write(&answers, &SHELL, "the dead shell's");
    write(&answers, &OTHER_SHELL, "the latest");
    let successor = Lineage::of(Process {
        tgid: SHELL[0],
        start: 999_999,
    });
    let found = answers.find(&successor).map(|answer| answer.text);
    assert_eq!(found, Some("the latest"));
}

#[test]
fn generations_beyond_the_limit_are_forgotten() {
    let answers = answers();
    let deep: Vec<i32> = (100..100 + GENERATIONS as i32).chain(SHELL).collect();
    write(&answers, &SHELL, "too far");
    write(&answers, &[60], "the latest");
    assert_eq!(read(&answers, &deep), Some("the latest"));
    assert_eq!(
        read(&answers, &deep[1..]),
        Some("too far"),
        "the last generation counts"
    );
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
    assert!(Prepared::new(answer, GFP_KERNEL).is_err());
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
