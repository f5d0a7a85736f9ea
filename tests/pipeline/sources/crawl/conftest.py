"""A manifest of one crawl, as tests of the crawler need it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.pipeline.sources.crawl.web import Web

MANIFEST = """\
corpus: c
sources:
  web:
    crawl:
      contact: someone@example.org
      seeds: {seeds}
      allow_addresses: 127.0.0.0/8
      resolve: {resolve}
      pace: {pace}
{more}
    extract: {{language: ja, sample_rejects: 0}}
"""


@pytest.fixture
def crawl_manifest(tmp_path: Path) -> Callable[..., Path]:
    """Write a manifest that crawls a web from its seeds; more keys of `crawl` by name."""

    def write(web: Web, seeds: list[str], *, behind: str = "", name: str = "m.yaml", **more: Any) -> Path:
        pace = more.pop("pace", {"delay_s": 0, "hosts": 4, "tries": 2, "max_delay_s": 0})
        resolve = more.pop("resolve", dict.fromkeys(web.hosts(), "127.0.0.1"))
        lines = "\n".join(f"      {key}: {_yaml(value)}" for key, value in more.items())
        path = tmp_path / name
        text = MANIFEST.format(seeds=_yaml(seeds), resolve=_yaml(resolve), pace=_yaml(pace), more=lines)
        path.write_text(text + behind)
        return path

    return write


def _yaml(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
