"""`check`: each thing that it must report, with its whole message, and what the report holds."""

import json
import unicodedata

import msgspec
import pytest

from data_files import jsonl, rows, task_in
from jangin.data.check import check
from jangin.data.findings import Duplicates, Finding, Leaks, report_markdown
from jangin.task import load_task

FIX_COPY = "jangin check TASK --fix DIR writes a copy without them"
LONG = "please tell me when exactly the parcel with my new winter coat will arrive at the office in the north"


def found(report, code):
    return [finding for finding in report.findings if finding.code == code]


def the(report, code) -> Finding:
    matches = found(report, code)
    assert len(matches) == 1, [finding.code for finding in report.findings]
    return matches[0]


def text(finding):
    return (finding.severity, finding.message, finding.hint)


def test_clean_data_give_no_finding(tmp_path):
    report = check(task_in(tmp_path, train=rows(60, labels=3), test=rows(200, labels=3, start=5_000)))
    assert report.findings == []
    assert (report.exit_code, report.errors, report.warnings, report.conflicts) == (0, 0, 0, 0)
    assert report.rows == {"train": 60, "test": 200}
    assert report.classes == {"label-0": 20, "label-1": 20, "label-2": 20}
    assert report.leaks == Leaks()
    assert report.duplicates == Duplicates(exact={"train": 0, "test": 0}, near={"train": 0, "test": 0})
    assert report.languages == {"en": 1.0}
    assert report.smallest_margin == pytest.approx(1.959964**2 / (200 + 1.959964**2), abs=5e-6)
    assert report.task_hash == load_task(tmp_path).hash


def test_the_report_is_json_with_the_keys_of_the_design(tmp_path):
    report = json.loads(msgspec.json.encode(check(task_in(tmp_path))))
    assert {"rows", "errors", "warnings", "leaks", "duplicates", "findings"} <= set(report)


def test_stages_are_told(tmp_path):
    stages = []
    check(task_in(tmp_path), stages.append)
    assert stages == [
        "reading",
        "looking for leaks and repetitions",
        "looking for near-duplicates",
        "looking for personal data",
    ]


def test_test_rows_seen_in_training_are_reported(tmp_path):
    test = rows(20, start=5_000)
    leaked = [
        {"input": test[0]["input"].upper(), "output": "label-0"},
        {"input": test[3]["input"].replace(" ", ", ") + "?", "output": "label-1"},
        {"input": test[3]["input"] + "!", "output": "label-1"},
    ]
    report = check(task_in(tmp_path, train=rows(40) + leaked, test=test))
    message = (
        "2 of 20 test examples also stand in train (first: 'test-1'): 1 word for word, 1 but for punctuation; "
        "3 rows of train are left out, or scores would be inflated"
    )
    assert text(the(report, "leak")) == ("warning", message, FIX_COPY)
    assert the(report, "leak").rows == ["test-1", "test-4"]
    assert report.leaks == Leaks(test_rows=2, test_rows_verbatim=1, train_rows=3)
    assert report.exit_code == 0
    assert report.rows["train"] == 43 and sum(report.classes.values()) == 40


def test_rows_that_share_a_unit_with_the_test_are_reported(tmp_path):
    train = [{**row, "customer": f"c{n}"} for n, row in enumerate(rows(40))]
    test = [{**row, "customer": f"c{n + 39}"} for n, row in enumerate(rows(20, start=5_000))]
    report = check(task_in(tmp_path, "unit: customer", train=train, test=test))
    message = (
        "1 of 20 test examples also stands in train (first: 'test-1'): 1 by a shared unit only; "
        "1 row of train is left out, or scores would be inflated"
    )
    assert the(report, "leak").message == message
    assert report.leaks == Leaks(test_units=1, train_rows=1)


def test_nearly_equal_texts_across_splits_are_reported(tmp_path):
    train = rows(40) + [
        {"input": LONG, "output": "label-0"},
        {"input": LONG.replace("coat", "cost"), "output": "label-0"},
    ]
    test = rows(20, start=5_000) + [{"input": LONG.replace("winter", "wintry"), "output": "label-0"}]
    report = check(task_in(tmp_path, train=train, test=test))
    message = (
        "1 of 21 test examples nearly stands in train (first: 'test-21'), sharing 85% or more of their three-character "
        "pieces with a row there; scores may be a little high"
    )
    hint = "jangin check TASK --fix DIR leaves out the 2 rows of train"
    assert text(the(report, "near_leak")) == ("warning", message, hint)
    assert report.leaks == Leaks(near_test_rows=1, near_train_rows=2)
    message = "1 text of train nearly repeats another"
    hint = "worth a look when they are many: they teach little, and make validation look better than it is"
    assert text(the(report, "near_duplicates")) == ("warning", message, hint)
    assert report.duplicates.near == {"train": 1, "test": 0}


def test_repetitions_are_counted_in_each_split(tmp_path):
    train, test = rows(40), rows(20, start=5_000)
    again = [{**train[0], "input": train[0]["input"].upper() + "!"}] * 2
    report = check(task_in(tmp_path, train=train + again, test=[*test, test[0]]))
    hint = "jangin check TASK --fix DIR drops repetitions from train; other splits keep their rows"
    assert [text(finding) for finding in found(report, "duplicates")] == [
        ("warning", "2 rows of train repeat another but for case, white space and punctuation", hint),
        ("warning", "1 row of test repeats another but for case, white space and punctuation", hint),
    ]
    assert report.duplicates.exact == {"train": 2, "test": 1}


def test_one_text_with_different_labels_is_reported(tmp_path):
    train = rows(40)
    report = check(task_in(tmp_path, train=[*train, {"input": train[0]["input"] + "?", "output": "label-1"}]))
    message = "1 text of train has different labels in different rows"
    hint = "jangin check TASK --fix DIR keeps the majority's label, and drops the text when tied"
    assert text(the(report, "conflicting_labels")) == ("warning", message, hint)
    assert the(report, "conflicting_labels").rows == ["train-1", "train-41"]
    assert report.conflicts == 1


def test_an_unknown_tag_contradicts_nothing(tmp_path):
    train = [{"input": f"text {n} of {n * n}", "output": {"a": n % 2, "b": 1 - n % 2}} for n in range(40)]
    same = {"input": train[0]["input"], "output": {"b": 1}}
    test = [{"input": f"test {n} by {n * n * n}", "output": {"a": 1}} for n in range(40)]
    assert check(task_in(tmp_path, "kind: tag", train=[*train, same], test=test)).conflicts == 0
    other = {"input": train[0]["input"], "output": {"b": 0}}
    assert check(task_in(tmp_path, "kind: tag", train=[*train, other], test=test)).conflicts == 1


def test_labels_that_differ_by_case_or_white_space_are_reported(tmp_path):
    train = rows(40)
    train[0]["output"], train[1]["output"], train[2]["output"] = "Label-0", "label-1 ", "LABEL-0"
    report = check(task_in(tmp_path, train=train))
    message = "2 labels differ from another by case or white space only (first: 'LABEL-0' and 'label-0')"
    hint = "jangin check TASK --fix DIR writes the commonest spelling everywhere"
    assert text(the(report, "label_variants")) == ("warning", message, hint)


def test_labels_in_another_unicode_form_are_reported_and_read_as_one(tmp_path):
    train = [{**row, "output": "환불" if row["output"] == "label-0" else "배송"} for row in rows(40)]
    train[0]["output"] = unicodedata.normalize("NFD", "환불")
    report = check(task_in(tmp_path, train=train, test=[{**row, "output": "배송"} for row in rows(9, start=5_000)]))
    message = (
        "1 spelling of labels had outer white space, control characters or another Unicode form "
        "(first read as: '환불'); mended while reading"
    )
    assert text(the(report, "label_spellings")) == (
        "warning",
        message,
        "jangin check TASK --fix DIR writes them mended",
    )
    assert report.classes == {"환불": 20, "배송": 20}


def test_labels_with_one_or_few_examples_are_reported(tmp_path):
    train = rows(40) + [{"input": "only one of this", "output": "lonely"}]
    train += [{"input": f"seldom {n} {n**3}", "output": "seldom"} for n in range(4)]
    report = check(task_in(tmp_path, train=train))
    message = "1 label has a single example (first: 'lonely'); it stays in train, so nothing can judge it"
    assert text(the(report, "single_example")) == ("warning", message, "add examples of the label")
    message = "1 label has fewer than 10 examples in train (fewest: 'seldom', 4)"
    hint = "add examples of these labels, or merge them into others"
    assert text(the(report, "few_examples")) == ("warning", message, hint)


def test_a_listed_label_without_examples_is_reported(tmp_path):
    report = check(task_in(tmp_path, "labels: [label-0, label-1, spare]"))
    message = "1 label of the task has no example in train (first: 'spare')"
    hint = "add examples, or take the label out of 'labels': it can never be answered"
    assert text(the(report, "label_without_examples")) == ("warning", message, hint)


def test_labels_that_train_lacks_are_reported_and_those_of_the_test_only_counted(tmp_path):
    strange = [{"input": f"strange {n} {n**5}", "output": "strange"} for n in range(3)]
    validation = rows(10, start=900) + strange[:1]
    report = check(task_in(tmp_path, validation=validation, test=rows(20, start=5_000) + strange[1:]))
    of_test, of_validation = found(report, "label_not_in_train")
    hint = "add examples of the label to train"
    message = "2 rows of test have a label that train lacks; every answer to them will be wrong"
    assert (text(of_test), of_test.rows) == (("warning", message, hint), [])
    message = "1 row of validation has a label that train lacks; every answer to them will be wrong"
    assert (text(of_validation), of_validation.rows) == (("warning", message, hint), ["validation-11"])


def test_one_label_is_an_error(tmp_path):
    report = check(task_in(tmp_path, train=rows(20, labels=1)))
    message = "train has only one label, 'label-0': there is nothing to learn"
    assert text(the(report, "untrainable")) == ("error", message, "add examples of the other labels")
    assert report.exit_code == 2


def test_train_and_test_from_the_same_file_are_an_error(tmp_path):
    report = check(task_in(tmp_path, train=rows(20), test=rows(20)))
    message = "no rows are left in train: every one also stands in another split"
    assert the(report, "untrainable").message == message
    assert report.leaks.test_rows == 20
    assert report.exit_code == 2


def test_an_empty_file_is_an_error(tmp_path):
    report = check(task_in(tmp_path, train=[]))
    expected = ("error", "train.jsonl: no usable rows", "give at least one example for each label")
    assert text(the(report, "no_rows")) == expected
    assert (report.exit_code, report.rows) == (2, {"test": 20})


def test_a_file_that_cannot_be_read_is_an_error_and_the_others_are_still_read(tmp_path):
    task = task_in(tmp_path)
    (tmp_path / "train.jsonl").unlink()
    report = check(task)
    message = f"no data file '{tmp_path / 'train.jsonl'}'"
    assert text(the(report, "unreadable_file")) == ("error", message, "paths in task.yaml count from its folder")
    assert report.rows == {"test": 20}


def test_the_same_id_twice_is_an_error(tmp_path):
    train = [{"id": f"r{n % 19}", **row} for n, row in enumerate(rows(20))]
    report = check(task_in(tmp_path, train=train))
    hint = "make ids unique; where the column names a document or a customer, write 'unit: id' in task.yaml"
    assert text(the(report, "repeated_id")) == ("error", "train.jsonl: id 'r0' stands on rows 1 and 20", hint)


def test_rows_that_cannot_be_used_are_errors_gathered_by_reason(tmp_path):
    bad = ["{", {"input": "a"}, {"input": "", "output": "x"}, {"input": " ", "output": "x"}, b'{"input": "\xff"}']
    report = check(task_in(tmp_path, train=rows(20) + bad))
    errors = {finding.code: finding for finding in report.findings if finding.severity == "error"}
    assert set(errors) == {"bad_json", "missing_field", "empty_input", "invalid_utf8"}
    empty = errors["empty_input"]
    assert empty.message == "train.jsonl, row 23: the input is empty (and 1 more row like it)"
    assert (empty.count, empty.rows) == (2, ["train.jsonl, row 23", "train.jsonl, row 24"])
    assert errors["missing_field"].message == "train.jsonl, row 22: no field 'output' (fields: input)"
    assert (report.exit_code, report.errors, report.rows["train"]) == (2, 4, 20)


def test_many_bad_rows_name_the_first_few(tmp_path):
    report = check(task_in(tmp_path, train=rows(20) + [{"input": "a"}] * 1_000))
    finding = the(report, "missing_field")
    assert finding.count == 1_000
    assert finding.rows == [f"train.jsonl, row {n}" for n in range(21, 26)]


def test_encoding_traps_are_reported(tmp_path):
    train = rows(20)
    train[0]["input"] = unicodedata.normalize("NFD", "카드를 잃어버렸어요")
    train[1]["input"] = "zero\x00byte and more"
    train[2]["input"] = "one\u2028two and three"
    report = check(task_in(tmp_path, train=train))
    hint = "jangin check TASK --fix DIR writes them mended"
    assert text(the(report, "not_nfc")) == (
        "warning",
        "train.jsonl: 1 text in another Unicode form than NFC (Korean text from a Mac is often NFD); "
        "mended while reading",
        hint,
    )
    assert text(the(report, "controls")) == (
        "warning",
        "train.jsonl: 1 text with control characters or a byte order mark inside; mended while reading",
        hint,
    )
    assert text(the(report, "separators")) == (
        "warning",
        "train.jsonl: 1 text with U+2028 or U+2029, which some programs take for line ends; mended while reading",
        hint,
    )
    assert the(report, "not_nfc").rows == ["train-1"]


def test_personal_data_are_counted_and_never_shown(tmp_path):
    train = rows(20)
    train[0]["input"] += " kim@example.com"
    train[1]["input"] += " lee@example.com 900101-1234567"
    report = check(task_in(tmp_path, train=train))
    hint = "replace them by placeholders unless the task needs them: a model can repeat what it was trained on"
    assert [text(finding) for finding in found(report, "pii")] == [
        ("warning", "2 rows of train seem to hold an e-mail address", hint),
        ("warning", "1 row of train seems to hold a resident registration number", hint),
    ]
    assert "example.com" not in msgspec.json.encode(report).decode()
    assert "900101" not in report_markdown(report)


def test_languages_are_told_by_script(tmp_path):
    korean = [{"input": f"{n}번 카드를 {n * n}일 전에 잃어버렸어요", "output": f"label-{n % 2}"} for n in range(30)]
    report = check(task_in(tmp_path, train=rows(10) + korean))
    assert report.languages == {"ko": 0.75, "en": 0.25}


def test_a_test_too_small_for_its_margin_is_reported(tmp_path):
    report = check(task_in(tmp_path, "bar: {reference: gpt-4/banking77-rag20, margin: 0.05}"))
    message = "a test of 20 rows can prove no margin below 0.1611; the bar asks for 0.05"
    assert text(the(report, "small_test")) == ("warning", message, "use at least 73 test rows, or a wider margin")
    enough = task_in(tmp_path, "bar: {reference: gpt-4/banking77-rag20, margin: 0.05}", test=rows(73, start=5_000))
    assert found(check(enough), "small_test") == []


def test_the_size_of_a_test_is_counted_in_units(tmp_path):
    test = [{**row, "customer": f"c{n // 4}"} for n, row in enumerate(rows(40, start=5_000))]
    report = check(
        task_in(tmp_path, "unit: customer\nbar: {reference: gpt-4/banking77-rag20, margin: 0.05}", test=test)
    )
    message = "a test of 10 units can prove no margin below 0.2775; the bar asks for 0.05"
    assert text(the(report, "small_test")) == ("warning", message, "use at least 73 test units, or a wider margin")


def test_five_thousand_labels_work_and_are_reported(tmp_path):
    train = [{"input": f"{n:x} number {n * 7919} of {n * n}", "output": f"label-{n % 5_000}"} for n in range(10_000)]
    report = check(task_in(tmp_path, train=train))
    message = "train has 5,000 labels; training time and model size grow with their number"
    assert text(the(report, "many_labels")) == ("warning", message, "is the right column named as output?")
    assert (report.exit_code, len(report.classes)) == (0, 5_000)


def test_a_single_file_is_divided_first(tmp_path):
    jsonl(tmp_path / "all.jsonl", rows(100))
    (tmp_path / "task.yaml").write_text("name: a\nkind: classify\ndata: all.jsonl\n")
    report = check(load_task(tmp_path))
    assert report.rows == {"train": 80, "test": 20}
    assert report.leaks.test_rows == 0


def test_no_text_of_an_example_stands_in_a_report(tmp_path):
    secret = "xylophone quartz"
    bad = [
        {"input": secret},
        {"input": secret, "output": ""},
        '{"input": "xylophone quartz',
        {"input": [secret], "output": "x"},
    ]
    train = rows(20) + bad + [{"input": secret, "output": "label-0"}, {"input": secret, "output": "label-1"}]
    report = check(
        task_in(tmp_path, train=train, test=[*rows(20, start=5_000), {"input": secret, "output": "label-0"}])
    )
    assert len(report.findings) >= 6
    assert "xylophone" not in msgspec.json.encode(report).decode() + report_markdown(report)


def test_the_page_names_findings_with_their_mend(tmp_path):
    test = rows(20, labels=1, start=5_000)
    page = report_markdown(check(task_in(tmp_path, train=rows(20, labels=1), test=test)))
    assert page.startswith("# Data check of 'tickets'\n\n1 error, 0 warnings.\n\n| split | readable rows |")
    assert (
        "- **error** `untrainable`: train has only one label, 'label-0': there is nothing to learn\n"
        "  - mend: add examples of the other labels\n"
    ) in page


def test_an_unknown_published_reference_is_an_error_that_names_the_near_one(tmp_path):
    report = check(task_in(tmp_path, "bar: {reference: gpt-4/banking77-rag21}"))
    finding = the(report, "unknown_reference")
    assert (finding.severity, finding.message) == ("error", "no published reference 'gpt-4/banking77-rag21'")
    assert finding.hint.startswith("did you mean 'gpt-4/banking77-rag20'") and report.exit_code == 2


def test_a_reference_that_is_yet_to_be_recorded_is_no_error(tmp_path):
    assert check(task_in(tmp_path, "bar: {reference: answers.jsonl}")).errors == 0


def test_a_scope_that_is_no_label_is_an_error_that_names_the_near_one(tmp_path):
    report = check(task_in(tmp_path, "out_of_scope: lable-1"))
    message = "out_of_scope is 'lable-1'; no row of train has this label"
    assert text(the(report, "unknown_out_of_scope")) == ("error", message, "did you mean 'label-1'?")
    assert report.exit_code == 2
