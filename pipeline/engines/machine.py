"""Where a run happens: workers, memory, engine. Never part of an address."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, overload

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from kakehi.pipeline.bounded_yaml import read_yaml
from kakehi.pipeline.errors import ManifestError, shortened
from kakehi.pipeline.sizes import Size


class Limit(BaseModel):
    """One limit of a machine.

    Args:
        value: a number; bytes may be `64KiB`.
        source: who says so.
        date: when they did, or when it was measured.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    value: Annotated[Size, Field(ge=1)]
    source: str
    date: str


class Limits(BaseModel):
    """What packed binaries may ask of the machine that trains on them; null where nobody says.

    Args:
        page_bytes: of memory: what a fault of a mapped file moves.
        stripe_bytes: of a file on the parallel file system.
        stripe_count: most stripes of a file.
        directory_files: most files in one directory.
        quota_bytes: of the group.
        quota_inodes: of the group.
        node_bytes: memory of a node that a job may rely on.
        shared_file_nodes: most nodes that read one file.
        shared_file_processes: most processes that read one file.
        open_files_per_node: times nodes, the most files open in a job, each stripe for itself.
        process_open_files: most files open in a process.
        opens_at_start: most opens of all readers together when a job starts.
        common_files: most files copied to all storage nodes.
        common_bytes: of these files together.
        group_nodes: most nodes of a job.
        stock_file_bytes: least size of one of several stock binaries.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    page_bytes: Limit | None = None
    stripe_bytes: Limit | None = None
    stripe_count: Limit | None = None
    directory_files: Limit | None = None
    quota_bytes: Limit | None = None
    quota_inodes: Limit | None = None
    node_bytes: Limit | None = None
    shared_file_nodes: Limit | None = None
    shared_file_processes: Limit | None = None
    open_files_per_node: Limit | None = None
    process_open_files: Limit | None = None
    opens_at_start: Limit | None = None
    common_files: Limit | None = None
    common_bytes: Limit | None = None
    group_nodes: Limit | None = None
    stock_file_bytes: Limit | None = None

    @overload
    def of(self, name: str, default: int) -> int: ...
    @overload
    def of(self, name: str) -> int | None: ...
    def of(self, name: str, default: int | None = None) -> int | None:
        """Give the value of a limit, or what holds where nobody says."""
        limit: Limit | None = getattr(self, name)
        return default if limit is None else limit.value


class TLS(BaseModel):
    """Certificates with which the command shows itself to a running cluster; names start from the machine file's folder.

    Args:
        ca_file: certificate of whoever signed those of the cluster.
        cert: of this command.
        key: of `cert`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    ca_file: Path
    cert: Path
    key: Path

    def under(self, folder: Path) -> TLS:
        """Give names that start from a folder as names that can be opened."""
        return TLS(ca_file=folder / self.ca_file, cert=folder / self.cert, key=folder / self.key)


class Machine(BaseModel):
    """The content of a machine file: workers, memory, limits.

    Args:
        name: for messages.
        engine: `inline` runs one task after another in this process, `dask` on worker processes.
        workers: processes, each for one task at a time, or `cores` for one a core; `inline` has none.
        bytes_per_worker: memory one task may take, bytes or `4GiB`.
        dashboard: serve Dask's pages on loopback, to everyone on this machine.
        tls: certificates for a running cluster (`--scheduler tls://…`), or null.
        limits: of the machine that trains on what is packed, for `kakehi plan`; null for none.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str = "laptop"
    engine: Literal["inline", "dask"] = "inline"
    workers: Annotated[int, Field(ge=1)] | Literal["cores"] = 1
    bytes_per_worker: Annotated[Size, Field(ge=256 << 20)] = 4 << 30
    dashboard: bool = False
    tls: TLS | None = None
    limits: Limits | None = None


def load_machine(path: Path | None) -> Machine:
    """Read a machine file, or give the defaults.

    Raises:
        ManifestError: it can't be read, or says what a machine can't be.
    """
    if path is None:
        return Machine()
    try:
        read = Machine.model_validate(read_yaml(path, "safe"))
        return read.model_copy(update={"tls": read.tls and read.tls.under(path.parent)})
    except ValidationError as error:
        lines = [
            shortened(f"{path}: {'.'.join(map(str, fault['loc']))}: {fault['msg']}, got {fault['input']!r}")
            for fault in error.errors(include_url=False)
        ]
        raise ManifestError("\n".join(lines)) from error
