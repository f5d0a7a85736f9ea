"""A manifest is checked whole: all faults at once, each with its line and the nearest name."""

from pathlib import Path

import pytest
from ruamel.yaml import YAML

from kakehi.pipeline.errors import ManifestError
from kakehi.pipeline.manifest.compile import load
from kakehi.pipeline.manifest.model import filled
from kakehi.pipeline.sources.documents import Normalisation

GOOD = """\
corpus: small
sources:
  web: {extract: {files: "*.warc.gz", language: ja}}
  code: {ingest: {files: "*.jsonl", fields: {text: content, id: path}}, normalise: archive}
measure: [script, {mine: {lines: {}}}]
screen:
  all: [{characters: {min: 10}}]
  web: [{kana_share: {min: 0.05, missing: keep}}]
dedupe: {similarity: 0.9, ngram: 4}
train: {vocab_size: 1000}
encode: {eod: "</s>"}
pack:
"""


def read(tmp_path: Path, text: str = GOOD):
    path = tmp_path / "m.yaml"
    path.write_text(text, encoding="utf-8")
    return load(path)


def faults(tmp_path: Path, text: str) -> list[str]:
    with pytest.raises(ManifestError) as caught:
        read(tmp_path, text)
    return [line.removeprefix(f"{tmp_path}/") for line in caught.value.message.split("\n")]


def test_a_good_manifest_becomes_steps_in_the_order_of_the_stages(tmp_path: Path) -> None:
    """Steps come in document order, `dedupe` as its four."""
    manifest = read(tmp_path)
    assert [step.name for step in manifest.steps] == [
        "measure",
        "screen",
        "exact",
        "sign",
        "pair",
        "keep",
        "train",
        "encode",
        "pack",
    ]
    assert [source.name for source in manifest.sources] == ["web", "code"]
    assert manifest.sources[1].parameters["normalise"] == "archive"


@pytest.mark.parametrize(
    ("written", "plain"),
    [
        ("{level: archive}", "archive"),
        ("{level: archive, without: []}", "archive"),
        (
            "{without: [radicals, minus, minus]}",
            {"level": "training", "without": ["minus", "radicals"]},
        ),
    ],
)
def test_normalisation_has_one_form(tmp_path: Path, written: str, plain: object) -> None:
    """The shortest, with rules sorted: an address must not hang on the spelling. It reads back as it is."""
    manifest = read(tmp_path, GOOD.replace("normalise: archive", f"normalise: {written}"))
    assert manifest.sources[1].parameters["normalise"] == plain
    assert Normalisation.model_validate(plain).model_dump() == plain


def test_a_parameter_of_dedupe_goes_to_every_stage_that_has_it(tmp_path: Path) -> None:
    """`ngram` reaches sign, whose keys tell pair of it, and `similarity` keep."""
    by_name = {step.name: step.parameters for step in read(tmp_path).steps}
    assert by_name["sign"]["ngram"] == 4
    assert "ngram" not in by_name["pair"]
    assert by_name["keep"]["similarity"] == 0.9
    assert "similarity" not in by_name["sign"]


def test_screen_puts_the_rules_for_all_before_a_sources_own(tmp_path: Path) -> None:
    """Each source has its own rules, so its own address."""
    [screen] = [step for step in read(tmp_path).steps if step.name == "screen"]
    assert [rule["signal"] for rule in screen.parameters_for("web")["rules"]] == ["characters", "kana_share"]
    assert [rule["signal"] for rule in screen.parameters_for("code")["rules"]] == ["characters"]


def test_defaults_are_written_in_and_read_back(tmp_path: Path) -> None:
    """What `kakehi defaults` prints is a manifest that means the same."""
    manifest = read(tmp_path)
    plain = filled(manifest)
    assert plain["dedupe"]["bands"] == 14
    assert plain["sources"]["web"]["extract"]["normalise"] == "training"
    with (tmp_path / "m.yaml").open("w", encoding="utf-8") as file:
        YAML().dump(plain, file)
    again = load(tmp_path / "m.yaml")
    assert again.sources == manifest.sources
    assert [(s.name, s.parameters) for s in again.steps] == [(s.name, s.parameters) for s in manifest.steps]


def test_all_faults_come_at_once_with_their_lines(tmp_path: Path) -> None:
    """Unknown keys, wrong types and missing keys are told together, in the order of lines."""
    text = GOOD.replace("language: ja", "langauge: ja").replace("vocab_size: 1000", "vocab_size: many")
    text = text.replace('encode: {eod: "</s>"}', "encode: {}").replace("corpus: small", "corpus: 'a/b'")
    text += "exprot: {}\n"
    assert faults(tmp_path, text) == [
        "m.yaml:1: corpus: got 'a/b', wanted a name of letters, digits, - and _",
        "m.yaml:3: unknown key 'langauge'; did you mean 'language'?",
        "m.yaml:10: train.vocab_size: input should be a valid integer, unable to parse string as an integer, got 'many'",
        "m.yaml:11: encode.eod: field required",
        "m.yaml:13: unknown key 'exprot'; did you mean 'export'?",
    ]


def test_what_can_never_run_is_told_at_once(tmp_path: Path) -> None:
    """Bounds of the library, symbols, marks and a mix of nothing, each at its line, whatever else is wrong."""
    text = GOOD.replace(
        "{vocab_size: 1000}",
        "{num_threads: 5000, max_piece_chars: 600, sample_characters: 5000000000, character_coverage: 0.97,\n"
        '        user_symbols: [AAA, AAA, "\\n", FOO bar]}',
    )
    text = text.replace('{eod: "</s>"}', '{eod: "</s>", bos: "</s>"}')
    found = faults(tmp_path, text.replace("pack:", "pack: {mix: {web: 0, code: 0}}"))
    assert [line.split(", ")[0].split(": ", 1)[0] + ": " + line.split(": ")[1] for line in found] == [
        "m.yaml:10: train.character_coverage",
        "m.yaml:10: train.max_piece_chars",
        "m.yaml:10: train.num_threads",
        "m.yaml:10: train.sample_characters",
        "m.yaml:11: train.user_symbols",
        "m.yaml:12: encode.bos",
        "m.yaml:13: pack.mix",
    ]
    assert "'FOO bar' would never be met" in found[4]
    assert "'AAA' stands 2 times; '\\n' is a piece of every model" in found[4]


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ('{files: "*.jsonl", fields', "{fields", "wanted either files or dataset"),
        ("normalise: archive", "normalise: nfkc", "input should be 'archive'"),
        ("normalise: archive", "normalise: key", "input should be 'archive' or 'training', got 'key'"),
        ("normalise: archive", "normalise: {without: [mimus]}", "no rule 'mimus'; did you mean 'minus'?"),
        ("normalise: archive", "normalise: {level: archive, without: [minus]}", "'archive' has no rule 'minus'"),
        ("normalise: archive", "normalise: {without: [lay-out, space]}", "'layout'?, nor 'space'; did you mean 'spaces'?"),
        ("normalise: archive", "normalise: {wihtout: []}", "unknown key 'wihtout'"),
        ("normalise: archive", "normalize: archive", "unknown key 'normalize'; did you mean 'normalise'?"),
        ("[script, ", "[scirpt, ", "did you mean 'script'"),
        ("{characters: {min: 10}}", "{characters: {mni: 10}}", "unknown key 'mni'; did you mean 'min'?"),
        ("{characters: {min: 10}}", "{characters: {}}", "has none of min, max, over, under, in, not_in"),
        ("{characters: {min: 10}}", "{charakters: {min: 1}}", "did you mean 'characters'?"),
        ("{characters: {min: 10}}", "{characters: {min: 10, max: 9}}", "keeps nothing: over 10 and under 9"),
        ("{characters: {min: 10}}", "{characters: {over: 10, max: 10}}", "keeps nothing"),
        ("{characters: {min: 10}}", "{lines: {min: 1}}", "'lines' is not measured; add lines, or the rule set"),
        ("{characters: {min: 10}}", "no-such-rules", "unknown rule set 'no-such-rules'"),
        ("  web: [{kana", "  wbe: [{kana", "unknown key 'wbe'; did you mean 'web'?"),
        ("similarity: 0.9", "similarity: 1.9", "less than or equal to 1, got 1.9"),
        ("{similarity: 0.9", "{priority: [longer]", "dedupe.priority"),
        ("{similarity: 0.9", "{priority: [{signal: kana}]", "dedupe.priority: no family measures 'kana'; there are: "),
        ("{similarity: 0.9", "{priority: [{signal: kana}]", "kana_share, kanji, kanji_share"),
        ("{similarity: 0.9", "{priority: [{signal: kana_share, prefer: most}]", "'highest' or 'lowest', got 'most'"),
        ("{similarity: 0.9", "{alarm: {than: stop}", "unknown key 'than'"),
        ("{similarity: 0.9", "{alarm: 2", "less than or equal to 1, got 2"),
        ("pack:", "pack: {copies: {0: 2}}", "greater than or equal to 1, got 0"),
        ("vocab_size: 1000", "vocab_size: 65530", "of 65,500 to 65,536 pieces Megatron's readers disagree"),
        ("pack:", "pack: {from: nothing}", "from names no step 'nothing'"),
        ("pack:", "pack: {mix: {web: 5, cod: 5}}", "pack.mix.cod: no source of this name; did you mean 'code'?"),
        ("pack:", "pack: {mix: {web: 5}}", "pack.mix: lacks the source 'code'; code: {epochs: 0} leaves it out"),
        ("pack:", "pack: {mix: {web: {tokens: 5, epochs: 1}, code: 5}}", "wanted one of tokens, epochs, weight"),
        ("pack:", "pack:\nindex: {readers: [core]}", "index.tokenizer: reader core names caches by it"),
        (
            "pack:",
            "pack:\nindex: {inter_document_masking: true}",
            "index.inter_document_masking: got true for sequences that are tiles, wanted pieces",
        ),
        (
            "pack:",
            "pack: {lanes: 8}\nindex: {jobs: [{data_parallel: 4}, {micro_batch: 3, data_parallel: 8}]}",
            "pack.lanes: got 8, wanted a multiple of 3 × 8, micro batch × data-parallel size; lanes: 24 suits",
        ),
        ("pack:", "pack: {from: pack}", "comes later or is itself: a cycle"),
        ("train: {", "train: {from: encode, ", "comes later or is itself: a cycle"),
        ("pack:", "pack: {from: measure}", "reads nothing that 'measure' writes"),
        ("train: {vocab_size: 1000}\n", "", "encode: reads tokenizer, which no step writes; add train"),
        ("pack:", "train-2: {stage: train, vocab_size: 500}\npack:", "train, train-2 all write tokenizer"),
        ("pack:", "tmp: {stage: screen}", "tmp: no step can be called so: the work folder has a folder 'tmp'"),
        ("pack:", "Runs: {stage: screen}", "Runs: no step can be called so"),
        ("pack:", "more: {stage: trian}", "unknown stage 'trian'; did you mean 'train'?"),
    ],
)  # fmt: skip
def test_each_fault_has_its_words(tmp_path: Path, old: str, new: str, fault: str) -> None:
    """A fault names the key, what was got and what was perhaps meant."""
    assert old in GOOD
    assert fault in "\n".join(faults(tmp_path, GOOD.replace(old, new)))


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "got NoneType, wanted a mapping"),
        ("- a\n", "wanted a mapping"),
        ("corpus: [", "is no YAML"),
        ("corpus: a\ncorpus: b\n", "is no YAML"),
        ("corpus: a\n", "sources: wanted at least one"),
        ("corpus: a\nsources: {all: {extract: {files: a}}}\n", "other than 'all'"),
        ("corpus: a\nsources: {s: {}}\n", "wanted one of extract, ingest"),
    ],
)
def test_what_is_no_manifest_is_refused(tmp_path: Path, text: str, fault: str) -> None:
    """Anything may be in the file; the answer is one error."""
    assert fault in "\n".join(faults(tmp_path, text))


def test_a_manifest_that_is_not_there_or_not_utf8_is_refused(tmp_path: Path) -> None:
    """The error names the file and why."""
    with pytest.raises(ManifestError, match=r"no\.yaml: can't be read"):
        load(tmp_path / "no.yaml")
    (tmp_path / "m.yaml").write_bytes("corpus: 日本".encode("cp932"))
    with pytest.raises(ManifestError, match="is not UTF-8"):
        load(tmp_path / "m.yaml")


def test_two_instances_are_told_apart_by_from(tmp_path: Path) -> None:
    """A second tokenizer has its own encoding and its own pack."""
    more = "train-500: {stage: train, vocab_size: 500}\nencode-500: {stage: encode, from: train-500, eod: </s>}\n"
    text = GOOD.replace('encode: {eod: "</s>"}', 'encode: {eod: "</s>", from: train}')
    text = text.replace("pack:", "pack: {from: [encode, train]}\n" + more)
    manifest = read(tmp_path, text + "pack-500: {stage: pack, from: [encode-500, train-500]}\n")
    steps = {step.name: step for step in manifest.steps}
    upstream = manifest.upstream(steps["pack-500"])
    assert {table: [s.name for s in found] for table, found in upstream.items()} == {
        "tokenizer": ["train-500"],
        "tokens": ["encode-500"],
        "verdict": ["screen", "keep"],
    }


def test_copies_need_sizes_of_clusters(tmp_path: Path) -> None:
    """How often a document is packed goes by what `keep` counts."""
    text = GOOD.replace("pack:", "pack: {copies: {2: 3, 10: 5}}")
    assert read(tmp_path, text).steps[-1].parameters["copies"] == [(2, 3), (10, 5)]
    found = faults(tmp_path, text.replace("dedupe: {similarity: 0.9, ngram: 4}\n", ""))
    assert "pack.copies: no step says how many documents one stands for; add dedupe" in found[0]


def test_a_text_is_no_priority(tmp_path: Path) -> None:
    """A signal that decides which document stays is a number."""
    text = GOOD.replace("measure: [", "measure: [language, ").replace(
        "{similarity: 0.9", "{priority: [{signal: language}]"
    )
    assert "dedupe.priority: 'language' is large_string, wanted a number" in faults(tmp_path, text)[0]


def test_an_own_rule_set_lies_beside_the_manifest(tmp_path: Path) -> None:
    """A rule set of the user's is a YAML file with `rules`; its faults name its lines."""
    (tmp_path / "own.yaml").write_text("rules:\n  - {characters: {min: 3}}\n  - {lines: {mun: 3}}\n")
    found = faults(tmp_path, GOOD.replace("{characters: {min: 10}}", "own.yaml"))
    assert "rule set 'own.yaml', line 3: unknown key 'mun'; did you mean 'min'?" in found[0]
