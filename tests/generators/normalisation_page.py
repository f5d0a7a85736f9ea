"""Write docs/normalisation.md from the table of rules.

python -m tests.generators.normalisation_page > docs/normalisation.md
"""

import sys
import unicodedata

from kakehi.filters.normalisation.rules import KEPT, LEVELS, RULES, Level, Rule

HEAD = """# Normalisation

What happens to characters, once, when text is written. Made from the table in
[rules.py](../filters/normalisation/rules.py) by `python -m tests.generators.normalisation_page`; every example is a test.

| level | for | holds |
|---|---|---|
| `archive` | code, and text that must come back as it was | the first {archive} rules |
| `training` | everything else; the default | the first {training} |
| `key` | comparing texts, never for reading: `dedupe` does, unless told `level: training` | all {key} |

What holds at every level, on any text: `training(archive(x)) = training(x)`, `key(training(x)) = key(x)`, each level
applied twice changes nothing more, and no kana loses its dakuten. Python's Unicode version
doesn't show: characters newer than Unicode 14 stand as they are.

A manifest names the level, or the level and rules to leave out:

```yaml
normalise: training
normalise: {{level: training, without: [minus, radicals]}}
```

Without some rule a text is not quite a text of its level, and the equations above hold no more.

Receipts count how often each rule fired, as `normalise/RULE`: characters replaced, removed or composed. `layout` counts
runs of blanks that it shortened and newlines that it dropped; `canonical` counts composed kana, and a text whose other
marks had to be composed or ordered once. `kakehi report` adds them up.

⏎ is a newline, ⇥ a tab, ␣ a space where it matters; ⟨U+200B⟩ is a character one can't see.
"""

KEPT_HEAD = """
## Kept

No rule of `archive` or `training` changes any of these.

| | |
|---|---|
"""

SHOWN = {"\n": "⏎", "\t": "⇥"}


def page() -> str:
    """Return the whole page."""
    counts = {level: sum(_holds(rule, level) for rule in RULES) for level in LEVELS}
    parts = [HEAD.format(**counts), *(_section(level) for level in LEVELS), KEPT_HEAD]
    return "".join(parts) + "".join(f"| {' '.join(map(shown, texts))} | {why} |\n" for texts, why in KEPT)


def _holds(rule: Rule, level: Level) -> bool:
    return LEVELS.index(rule.level) <= LEVELS.index(level)


def _section(level: Level) -> str:
    lines = [
        f"| `{r.name}` | {r.what} | {shown(r.before)} → {shown(r.after)} |" for r in RULES if r.level == level
    ]
    return (
        f"\n## From level {level}\n\n| rule | what it does, and why | example |\n|---|---|---|\n"
        + "\n".join(lines)
        + "\n"
    )


def shown(text: str) -> str:
    """Write a text so that it can be seen, in a cell of a table."""
    bare = "".join(SHOWN.get(c) or (f"⟨U+{ord(c):04X}⟩" if _is_unseen(c) else c) for c in text)
    blanks = bare.replace("  ", "␣␣")
    return blanks.replace("|", "\\|")


def _is_unseen(character: str) -> bool:
    """Tell whether a character has no shape of its own, or the shape of an ideograph that is another character."""
    if 0x2E80 <= ord(character) <= 0x2FD5 or 0xF900 <= ord(character) <= 0xFAFF or ord(character) >= 0x2F800:
        return True
    return character != " " and unicodedata.category(character)[0] in "CZM"


if __name__ == "__main__":
    sys.stdout.write(page())
