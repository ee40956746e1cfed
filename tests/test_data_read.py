"""Readers and rows: every format, and every row that cannot be used, named by file and row."""

import gzip
import json
import sys
import unicodedata

import pytest

from data_files import TWO_FILES, jsonl, refused
from jangin.data.read import FIX, Fault, Row, read_rows
from jangin.data.rows import Notes, read_examples
from jangin.errors import DataError, MissingExtraError
from jangin.task import load_task

UTF8 = "save the file as UTF-8 (Korean files are often CP949)"
QUOTES = 'write a quote inside a quoted field twice (""), and close each quote'
COLUMNS = "name the columns in task.yaml: fields: {input: ..., output: ...}"


def read(path, text="", kind="classify", notes=None):
    """All Examples and Faults of a file, read for a task with these further lines."""
    head = f"name: a\nkind: {kind}\n{TWO_FILES}\n"
    (path.parent / "task.yaml").write_text(head + text, encoding="utf-8")
    return list(read_examples(path, load_task(path.parent), "train", notes))


def only(found):
    assert len(found) == 1
    return found[0]


def file_refusal(path):
    with pytest.raises(DataError) as error:
        list(read_rows(path))
    return refused(error)


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz", "a.ndjson", "A.JSONL"])
def test_json_lines_are_read_with_their_row_numbers(tmp_path, name):
    path = jsonl(tmp_path / name, [{"input": "one"}, "", {"input": "two"}])
    if name.endswith("gz"):
        assert path.read_bytes()[:2] == b"\x1f\x8b"
    assert list(read_rows(path)) == [Row(1, {"input": "one"}), Row(3, {"input": "two"})]


def test_a_byte_order_mark_is_taken_off(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"input": "one"}\n', encoding="utf-8-sig")
    assert only(list(read_rows(path))).fields == {"input": "one"}
    path = tmp_path / "a.csv"
    path.write_text("input,output\none,x\n", encoding="utf-8-sig")
    assert only(list(read_rows(path))).fields == {"input": "one", "output": "x"}


def test_line_separators_of_unicode_do_not_split_a_row(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"input": "one\u2028two\u2029three\x85four"}\n', encoding="utf-8")
    assert only(list(read_rows(path))).fields == {"input": "one\u2028two\u2029three\x85four"}


def test_invalid_utf8_is_named_by_its_row_and_reading_goes_on(tmp_path):
    path = jsonl(tmp_path / "a.jsonl", [{"input": "a"}, b'{"input": "\xff"}', {"input": "b"}])
    assert list(read_rows(path))[1] == Fault(2, "invalid_utf8", "not valid UTF-8 at byte 11", UTF8)
    assert list(read_rows(path))[2] == Row(3, {"input": "b"})


@pytest.mark.parametrize(
    ("line", "code", "message"),
    [
        ('{"input": "a"', "bad_json", "not valid JSON: Input data was truncated"),
        ('{"input": NaN}', "bad_json", "not valid JSON: JSON is malformed: invalid character (byte 10)"),
        (
            '{"input": "\\ud800 and more text"}',
            "bad_json",
            "not valid JSON: JSON is malformed: unexpected end of escaped utf-16 surrogate pair (byte 17)",
        ),
        ('["a", "b"]', "not_an_object", "expected a JSON object, found a list"),
        ("null", "not_an_object", "expected a JSON object, found null"),
        ("3", "not_an_object", "expected a JSON object, found a number"),
        ('{"a":' * 100_000, "bad_json", "nested too deep"),
    ],
)
def test_a_line_that_is_no_object_is_a_fault(tmp_path, line, code, message):
    path = jsonl(tmp_path / "a.jsonl", [{"input": "a"}, line, {"input": "b"}])
    found = list(read_rows(path))
    assert found[1] == Fault(2, code, message)
    assert found[2] == Row(3, {"input": "b"})


def test_a_line_that_fills_the_memory_is_a_fault(tmp_path):
    huge = json.dumps({"input": "x" * (20 << 20)})
    path = jsonl(tmp_path / "a.jsonl", [huge, {"input": "b"}])
    first, second = read_rows(path)
    assert first == Fault(1, "too_long", "longer than 8,388,608 bytes", "shorten or split it, or drop the row")
    assert second == Row(2, {"input": "b"})


def test_a_csv_is_read_with_quotes_and_line_ends_inside_fields(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(b'input,output\r\n"one, two\nthree ""four""",x\r\n\r\nfive,y\r\n')
    assert list(read_rows(path)) == [
        Row(1, {"input": 'one, two\nthree "four"', "output": "x"}),
        Row(2, {"input": "five", "output": "y"}),
    ]


@pytest.mark.parametrize(("name", "mark"), [("a.csv", ";"), ("a.tsv", "\t"), ("a.csv", "\t")])
def test_other_separators_are_recognised_by_the_header(tmp_path, name, mark):
    path = tmp_path / name
    path.write_text(f"input{mark}output\none, two{mark}x\n")
    assert only(list(read_rows(path))).fields == {"input": "one, two", "output": "x"}


def test_a_compressed_csv_is_read(tmp_path):
    path = tmp_path / "a.csv.gz"
    path.write_bytes(gzip.compress("input,output\n하나,x\n".encode()))
    assert only(list(read_rows(path))).fields == {"input": "하나", "output": "x"}


def test_wrong_quoting_in_a_csv_is_named_by_row_and_line(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text('input,output\none,x\n"two" and more,y\nthree,z\n')
    found = list(read_rows(path))
    assert found[1] == Fault(2, "bad_quoting", "wrong quoting from line 3: ',' expected after '\"'", QUOTES)
    assert found[2] == Row(3, {"input": "three", "output": "z"})


def test_a_quote_that_is_never_closed_is_named_by_the_line_where_it_opens(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text('input,output\none,x\n"two,y\nthree,z\n')
    assert list(read_rows(path))[1] == Fault(
        2, "bad_quoting", "wrong quoting from line 3: unexpected end of data", QUOTES
    )


def test_a_field_without_end_is_bounded(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text('input,output\n"one,x\n' + "two,y\n" * 30_000)
    limit = "a field is longer than 131,072 characters, or a quote is never closed (from line 2)"
    assert next(read_rows(path)) == Fault(1, "bad_quoting", limit, QUOTES)


def test_a_csv_row_with_another_number_of_columns_is_a_fault(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("input,output\none, two,x\nthree\n")
    hint = 'put fields with a comma or a line end in "quotes"'
    assert list(read_rows(path)) == [
        Fault(1, "wrong_columns", "3 columns where the header has 2 (line 2)", hint),
        Fault(2, "wrong_columns", "1 columns where the header has 2 (line 3)", hint),
    ]


def test_invalid_utf8_in_a_csv_is_named_by_row_and_line(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(b"input,output\none,x\n" + "환불,y\n".encode("cp949") + "배송,z\n".encode())
    found = list(read_rows(path))
    assert found[1] == Fault(2, "invalid_utf8", "not valid UTF-8 (line 3)", UTF8)
    assert found[2] == Row(3, {"input": "배송", "output": "z"})


def test_a_header_that_names_a_column_twice_is_refused(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("text,label,text\n1,2,3\n")
    assert file_refusal(path) == ("a.csv: the header names column 'text' 2 times", "name each column once")


def test_parquet_is_read(tmp_path):
    import pyarrow
    from pyarrow import parquet

    path = tmp_path / "a.parquet"
    parquet.write_table(pyarrow.table({"input": ["one", None], "output": [["x"], []], "n": [1, 2]}), path)
    assert list(read_rows(path)) == [
        Row(1, {"input": "one", "output": ["x"], "n": 1}),
        Row(2, {"input": None, "output": [], "n": 2}),
    ]


def test_parquet_without_its_extra_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtraError) as error:
        list(read_rows(tmp_path / "a.parquet"))
    message = "reading Parquet needs the extra 'parquet', which is not installed"
    assert refused(error) == (message, "pip install 'jangin[parquet]'")


def test_a_file_that_is_no_parquet_is_refused(tmp_path):
    (tmp_path / "a.parquet").write_bytes(b"PAR1 not really")
    assert file_refusal(tmp_path / "a.parquet") == (
        "a.parquet: not a readable Parquet file: ArrowInvalid",
        "write it again",
    )


def test_a_cut_gzip_file_is_refused(tmp_path):
    path = jsonl(tmp_path / "a.jsonl.gz", [{"input": str(n) * 50} for n in range(500)])
    path.write_bytes(path.read_bytes()[:-200])
    message, hint = file_refusal(path)
    assert message == (
        "a.jsonl.gz: not a whole gzip file: Compressed file ended before the end-of-stream marker was reached"
    )
    assert hint == "copy or compress the file again"


def test_plain_text_named_gz_is_refused(tmp_path):
    (tmp_path / "a.jsonl.gz").write_text('{"input": "a"}\n')
    message, _ = file_refusal(tmp_path / "a.jsonl.gz")
    assert message == "a.jsonl.gz: not a whole gzip file: Not a gzipped file (b'{\"')"


def test_utf16_is_named(tmp_path):
    (tmp_path / "a.csv").write_text("input,output\n", encoding="utf-16")
    assert file_refusal(tmp_path / "a.csv") == ("a.csv: UTF-16 text; expected UTF-8", UTF8)


def test_an_unknown_kind_of_file_is_refused(tmp_path):
    (tmp_path / "a.xlsx").write_bytes(b"")
    message, hint = file_refusal(tmp_path / "a.xlsx")
    formats = ".jsonl, .jsonl.gz, .ndjson, .ndjson.gz, .csv, .csv.gz, .tsv, .tsv.gz, .parquet"
    assert (message, hint) == (f"a.xlsx: unknown kind of file; expected one of {formats}", "convert it to JSONL")


def test_a_missing_file_is_named(tmp_path):
    message, hint = file_refusal(tmp_path / "none.csv")
    assert (message, hint) == (f"no data file '{tmp_path / 'none.csv'}'", "paths in task.yaml count from its folder")


def test_an_example_keeps_id_unit_and_other_fields(tmp_path):
    row = {"id": 7, "input": "hello", "output": "greeting", "customer": 12, "channel": "mail"}
    example = only(read(jsonl(tmp_path / "train.jsonl", [row]), "unit: customer"))
    assert (example.id, example.input, example.output, example.unit, example.row) == ("7", "hello", "greeting", "12", 1)
    assert example.extra == {"customer": 12, "channel": "mail"}


def test_columns_are_named_by_the_task(tmp_path):
    path = tmp_path / "train.csv"
    path.write_text("ticket,text,intent\nT-1,hello,greeting\n")
    example = only(read(path, "fields: {id: ticket, input: text, output: intent}"))
    assert (example.id, example.input, example.output) == ("T-1", "hello", "greeting")


def test_ids_are_made_from_split_and_row_where_none_is_given(tmp_path):
    examples = read(jsonl(tmp_path / "train.jsonl", [{"input": "a", "output": "x"}, {"input": "b", "output": "y"}]))
    assert [example.id for example in examples] == ["train-1", "train-2"]


def test_a_column_that_names_the_unit_is_no_id(tmp_path):
    row = {"id": "doc-1", "input": "a", "output": "x"}
    examples = read(jsonl(tmp_path / "train.jsonl", [row, row]), "unit: id")
    assert [(example.id, example.unit) for example in examples] == [("train-1", "doc-1"), ("train-2", "doc-1")]


def test_a_column_that_is_not_there_is_named_with_those_that_are(tmp_path):
    found = only(read(jsonl(tmp_path / "train.jsonl", [{"text": "a", "label": "x"}])))
    assert found == Fault(1, "missing_field", "no field 'input' (fields: text, label)", COLUMNS)


def test_a_missing_field_later_is_named_with_its_row(tmp_path):
    lines = [{"input": f"text {n}", "output": "x"} for n in range(1_000)]
    del lines[500]["output"]
    faults = [row for row in read(jsonl(tmp_path / "train.jsonl", lines)) if isinstance(row, Fault)]
    assert faults == [Fault(501, "missing_field", "no field 'output' (fields: input)", FIX)]


@pytest.mark.parametrize(
    ("row", "code", "message"),
    [
        ({"input": "", "output": "x"}, "empty_input", "the input is empty"),
        ({"input": " \n\x00\ufeff", "output": "x"}, "empty_input", "the input is empty"),
        ({"input": None, "output": "x"}, "empty_input", "field 'input' is null; expected text or chat messages"),
        ({"input": 3, "output": "x"}, "bad_input", "field 'input' is a number; expected text or chat messages"),
        ({"input": [], "output": "x"}, "empty_input", "the input is empty"),
        (
            {"input": ["a"], "output": "x"},
            "bad_messages",
            "messages[0] has no role out of system, developer, user, assistant, tool",
        ),
        (
            {"input": [{"role": "user", "content": None}], "output": "x"},
            "bad_messages",
            "messages[0].content is null; expected text",
        ),
        ({"input": "a", "output": ""}, "empty_label", "the label is empty"),
        ({"input": "a", "output": "  "}, "empty_label", "the label is empty"),
        ({"input": "a", "output": None}, "empty_label", "the label is empty"),
        ({"input": "a", "output": ["x"]}, "bad_label", "field 'output' is a list; expected a label"),
        ({"input": "a", "output": 1.5}, "bad_label", "field 'output' is a number; expected a label"),
        ({"id": ["x"], "input": "a", "output": "x"}, "bad_id", "field 'id' is a list; expected text or a whole number"),
    ],
)
def test_an_unfit_row_is_a_fault_with_its_reason(tmp_path, row, code, message):
    found = only(read(jsonl(tmp_path / "train.jsonl", [row])))
    assert found == Fault(1, code, message, FIX)


def test_a_stated_id_column_must_be_filled(tmp_path):
    found = only(read(jsonl(tmp_path / "train.jsonl", [{"key": "", "input": "a", "output": "x"}]), "fields: {id: key}"))
    assert found == Fault(1, "missing_field", "no id in field 'key'", "give each row an id, or remove 'fields.id'")


def test_a_megabyte_of_text_is_refused_with_the_limit(tmp_path):
    found = only(read(jsonl(tmp_path / "train.jsonl", [{"input": "x " * 500_000, "output": "x"}])))
    message = "the input has 1,000,000 characters; the limit is 100,000"
    assert found == Fault(1, "too_long", message, "shorten or split it, or drop the row")


def test_numbers_and_booleans_are_labels(tmp_path):
    lines = [{"input": "a", "output": 3}, {"input": "b", "output": True}, {"input": "c", "output": " x "}]
    assert [example.output for example in read(jsonl(tmp_path / "train.jsonl", lines))] == ["3", "true", "x"]


def test_a_label_that_the_task_does_not_list_names_the_nearest(tmp_path):
    path = jsonl(tmp_path / "train.jsonl", [{"input": "a", "output": "refnud"}, {"input": "a", "output": "zzz"}])
    near, far = read(path, "labels: [refund, delivery]")
    assert near == Fault(1, "unknown_label", "label 'refnud' is not among the task's labels", "did you mean 'refund'?")
    hint = "add it to 'labels' in task.yaml, or mend the row"
    assert far == Fault(2, "unknown_label", "label 'zzz' is not among the task's labels", hint)


def test_texts_and_labels_are_normalised_and_the_traps_are_counted(tmp_path):
    nfd = unicodedata.normalize("NFD", "환불해 주세요")
    lines = [
        {"input": nfd, "output": unicodedata.normalize("NFD", "환불")},
        {"input": "a\x00b\x1fc\td\ne", "output": "환불"},
        {"input": "one\u2028two\ufeff", "output": " 환불"},
    ]
    notes = Notes()
    examples = read(jsonl(tmp_path / "train.jsonl", lines), notes=notes)
    assert [example.input for example in examples] == ["환불해 주세요", "a b c\td\ne", "one\ntwo"]
    assert {example.output for example in examples} == {"환불"}
    assert notes.trap_counts == {"not_nfc": 1, "controls": 2, "separators": 1}
    assert notes.trap_ids == {"not_nfc": ["train-1"], "controls": ["train-2", "train-3"], "separators": ["train-3"]}


def test_openai_chat_rows_give_the_last_answer_as_output(tmp_path):
    row = {
        "messages": [
            {"role": "system", "content": "Classify."},
            {"role": "user", "content": [{"type": "text", "text": "Where is "}, {"type": "text", "text": "it?"}]},
            {"role": "assistant", "content": " delivery ", "weight": 1},
        ],
        "note": "kept",
    }
    example = only(read(jsonl(tmp_path / "train.jsonl", [row])))
    assert example.input == [{"role": "system", "content": "Classify."}, {"role": "user", "content": "Where is it?"}]
    assert (example.output, example.extra) == ("delivery", {"note": "kept"})


@pytest.mark.parametrize(
    ("messages", "message"),
    [
        ([{"role": "user", "content": "a"}], "'messages' does not end with a question and its assistant message"),
        ([], "'messages' does not end with a question and its assistant message"),
        ("text", "'messages' does not end with a question and its assistant message"),
        (
            [{"role": "robot", "content": "a"}],
            "messages[0] has no role out of system, developer, user, assistant, tool",
        ),
        (
            [{"role": "user", "content": [{"type": "image_url"}]}, {"role": "assistant", "content": "x"}],
            "messages[0].content is a list; expected text",
        ),
    ],
)
def test_chat_rows_that_will_not_do_are_faults(tmp_path, messages, message):
    found = only(read(jsonl(tmp_path / "train.jsonl", [{"messages": messages}])))
    assert found == Fault(1, "bad_messages", message, FIX)


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        (["b", "a", "a"], ("a", "b")),
        ("b, a,", ("a", "b")),
        ("", ()),
        ([], ()),
        ('["a"]', ("a",)),
        ({"a": 1, "b": 0, "c": None, "d": True}, {"a": True, "b": False, "d": True}),
        ('{"a": 1.0, "b": false}', {"a": True, "b": False}),
    ],
)
def test_tags_come_as_a_list_a_string_or_marks(tmp_path, output, expected):
    assert (
        only(read(jsonl(tmp_path / "train.jsonl", [{"input": "t", "output": output}]), kind="tag")).output == expected
    )


@pytest.mark.parametrize(
    ("output", "code", "message"),
    [
        ({"a": 2}, "bad_label", "label 'a' has a value that is not one of 0, 1, true, false, null"),
        ({"a": "yes"}, "bad_label", "label 'a' has a value that is not one of 0, 1, true, false, null"),
        ({"": 1}, "empty_label", "the label is empty"),
        (["a", ""], "empty_label", "the label is empty"),
        ("[a", "bad_label", "field 'output' starts as JSON but is not valid JSON"),
        (None, "bad_label", "field 'output' is null; expected labels"),
        (3, "bad_label", "field 'output' is a number; expected labels"),
    ],
)
def test_tags_that_will_not_do_are_faults(tmp_path, output, code, message):
    found = only(read(jsonl(tmp_path / "train.jsonl", [{"input": "t", "output": output}]), kind="tag"))
    assert found == Fault(1, code, message, FIX)
