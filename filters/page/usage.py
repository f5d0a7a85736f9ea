"""Read preferences on the use of content: Cloudflare's content signals, and those of the IETF's working group AIPREF.

Sources: contentsignals.org (2025), `Content-Signal: search=yes, ai-train=no`; draft-ietf-aipref-attach-04 and
draft-ietf-aipref-vocab (2025), `Content-Usage: train-ai=n`. Both stand in robots.txt, where a path may come first, and in
headers.
"""

from typing import Final

#: Categories that training a language model belongs to, the narrowest first: that decides which is stated. Those of
#: AIPREF were called otherwise in earlier drafts.
_TRAINING: Final = {
    "content-signal": ("ai-train",),
    "content-usage": ("train-genai", "train-ai", "genai", "ai", "tdm", "bots", "all"),
}
_YES: Final = frozenset({"y", "yes", "?1"})
_NO: Final = frozenset({"n", "no", "?0"})


def allows_training(field: str, value: str) -> bool | None:
    """Say what a value has on training models, or None where it says nothing of it.

    Args:
        field: `content-signal` or `content-usage`.
        value: without a path.
    """
    stated = dict(_preference(part) for part in value.lower().split(","))
    for category in _TRAINING[field]:
        if stated.get(category) in _YES | _NO:
            return stated[category] in _YES
    return None


def split_path(value: str) -> tuple[str, str]:
    """Split a value of robots.txt into the pattern of paths that it is for, `/` if none stands there, and the rest."""
    first, *rest = value.split(maxsplit=1) or [""]
    return (first, "".join(rest)) if first.startswith(("/", "*")) else ("/", value)


def _preference(part: str) -> tuple[str, str]:
    name, _, value = part.partition("=")
    return name.strip(), value.partition(";")[0].strip().strip('"')
