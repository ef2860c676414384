"""The processes that train together, as --workers and --task name them, or TF_CONFIG as schedulers set it."""

import ipaddress
import json
import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tienet.errors import InputError

CHIEF_JOBS = ("chief", "master")
"""The names that schedulers give to the job of rank 0."""
REFUSED_JOBS = {
    "evaluator": "this training has no evaluator (the chief validates)",
    "ps": "this training has no parameter servers (ps)",
}
EXPECTED_ADDRESS = "expected host:port, such as 10.0.0.2:4000"
EXPECTED_TF_CONFIG = '{"cluster": {"worker": ["host:port", ...]}, "task": {"type": "worker", "index": 0}}'
MAX_SHOWN_CHARS = 80  # of a wrong value in a message


@dataclass(frozen=True)
class Cluster:
    """The processes that train together.

    Attributes:
        addresses: The address of each worker as "host:port", by rank, with an IPv6 host in brackets; empty if one
            process trains alone.
        rank: The rank of this process. Rank 0 is the chief, which is the only one that writes files.
    """

    addresses: tuple[str, ...] = ()
    rank: int = 0

    def __post_init__(self) -> None:
        assert 0 <= self.rank < self.size, self

    @property
    def size(self) -> int:
        """The number of processes, at least 1."""
        return max(len(self.addresses), 1)

    @property
    def is_chief(self) -> bool:
        """Whether this process is the chief."""
        return self.rank == 0

    def name(self, rank: int) -> str:
        """The name of a process in messages to users, such as "worker 1 (10.0.0.2:4000)"."""
        return f"worker {rank} ({self.addresses[rank]})" if self.addresses else f"worker {rank}"

    @classmethod
    def from_arguments(
        cls, workers: str | None, task: int | None, environ: Mapping[str, str] = os.environ
    ) -> "Cluster":
        """The cluster that the flags name, else the one that TF_CONFIG names, else a cluster of one process.

        If both name one, the flags are used, and a note on standard error says where TF_CONFIG differs.

        Args:
            workers: The value of --workers, "host:port,host:port,..." by rank.
            task: The value of --task, the rank of this process.
            environ: The environment variables, among which TF_CONFIG may be.
        Raises:
            InputError: One flag is given without the other, or a value is malformed or out of range.
        """
        if (workers is None) != (task is None):
            given, missing = ("--task", "--workers") if workers is None else ("--workers", "--task")
            raise InputError(f"{given} without {missing}; expected both: --workers host:port,host:port,... --task N")
        tf_config = environ.get("TF_CONFIG", "").strip()
        if workers is None or task is None:
            return _from_tf_config(tf_config) if tf_config else cls()
        cluster = _from_flags(workers, task)
        if tf_config:
            _log_difference(cluster, tf_config)
        return cluster


ONE_PROCESS = Cluster()
"""A process that trains alone."""


def host_and_port(address: str) -> tuple[str, int]:
    """The host and the port of an address of a cluster; the brackets of an IPv6 host are removed."""
    host, _, port = address.rpartition(":")
    return host.removeprefix("[").removesuffix("]"), int(port)


def _from_flags(workers: str, task: int) -> Cluster:
    if not workers.strip():
        raise InputError("--workers is empty; expected host:port,host:port,...")
    entries = [(f"--workers, entry {n}", text) for n, text in enumerate(workers.split(","))]
    addresses = _addresses(entries)
    if not 0 <= task < len(addresses):
        expected = f"0 to {len(addresses) - 1}, as --workers has {len(addresses)}" if len(addresses) > 1 else "0"
        raise InputError(f"--task {task}: no such worker; expected {expected}")
    return _cluster(addresses, task)


def _log_difference(cluster: Cluster, tf_config: str) -> None:
    try:
        same = _from_tf_config(tf_config) == cluster
    except InputError:
        same = False
    if not same:
        print(f"note: --workers and --task are used; TF_CONFIG says otherwise: {_shown(tf_config)}", file=sys.stderr)


def _cluster(addresses: Sequence[str], rank: int) -> Cluster:
    """A cluster of these addresses; one worker that trains alone needs no address."""
    return Cluster(tuple(addresses), rank) if len(addresses) > 1 else Cluster()


def _from_tf_config(text: str) -> Cluster:
    try:
        given = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"TF_CONFIG {_shown(text)}: not JSON ({error}); expected {EXPECTED_TF_CONFIG}") from None
    if not isinstance(given, dict):
        raise InputError(f"TF_CONFIG {_shown(text)}: not an object; expected {EXPECTED_TF_CONFIG}")
    jobs, task = _object(given, "cluster"), _object(given, "task")
    kind = task.get("type")
    _check_jobs(jobs, kind)
    order = [job for job in (*CHIEF_JOBS, "worker") if jobs.get(job)]
    entries = [(f"TF_CONFIG, {job} {n}", address) for job in order for n, address in enumerate(jobs[job])]
    addresses = _addresses(entries)
    if not task and len(addresses) < 2:
        return Cluster()
    if not order:  # a scheduler may give a single process a task and an empty cluster
        kind = kind or "worker"
        order, jobs = [kind], {kind: [""]}
    if kind not in order:
        raise InputError(f"TF_CONFIG: task type {_shown(kind)}; expected one of the cluster's: {', '.join(order)}")
    index = _index(task, kind, len(jobs[kind]))
    return _cluster(addresses, index + sum(len(jobs[job]) for job in order[: order.index(kind)]))


def _object(tf_config: dict, key: str) -> dict:
    """The object at a key of TF_CONFIG; empty if it is missing or null."""
    value = {} if tf_config.get(key) is None else tf_config[key]
    if not isinstance(value, dict):
        raise InputError(f"TF_CONFIG: {key} is {_shown(value)}; expected an object, as in {EXPECTED_TF_CONFIG}")
    return value


def _check_jobs(jobs: dict, kind: object) -> None:
    """Raise InputError for a job or a task type that this training does not know."""
    if kind is not None and kind not in (*CHIEF_JOBS, "worker", *REFUSED_JOBS):
        raise InputError(f"TF_CONFIG: task type {_shown(kind)}; expected chief, master or worker")
    for job in (kind, *(job for job, addresses in jobs.items() if addresses)):
        if job in REFUSED_JOBS:
            raise InputError(f"TF_CONFIG names {job!r}: {REFUSED_JOBS[job]}; start a chief and workers only")
    for job, addresses in jobs.items():
        if job not in (*CHIEF_JOBS, "worker", *REFUSED_JOBS):
            raise InputError(f"TF_CONFIG: the cluster has a job {_shown(job)}; expected chief (or master) and worker")
        if not isinstance(addresses, list):
            raise InputError(f"TF_CONFIG: {job} is {_shown(addresses)}; expected a list of host:port")
    chiefs = [address for job in CHIEF_JOBS for address in jobs.get(job, [])]
    if len(chiefs) > 1:
        raise InputError(f"TF_CONFIG: {len(chiefs)} chiefs, {_shown(chiefs)}; expected one chief (or master)")


def _index(task: dict, kind: str, count: int) -> int:
    """The index of the task within its job; some schedulers write it as a string."""
    index = task.get("index")
    if isinstance(index, str) and re.fullmatch(r"\s*[0-9]{1,9}\s*", index):
        index = int(index)
    if not isinstance(index, int) or isinstance(index, bool) or not 0 <= index < count:
        expected = f"0 to {count - 1}" if count > 1 else "0"
        raise InputError(f"TF_CONFIG: task index {_shown(index)} of {kind}; expected {expected}")
    return index


def _addresses(entries: Sequence[tuple[str, object]]) -> list[str]:
    """The checked addresses of (where, text) pairs, without white space around them; `where` is for messages."""
    addresses: list[str] = []
    seen: dict[tuple[str, int], str] = {}
    for where, text in entries:
        address = _address(where, text)
        host, port = host_and_port(address)
        key = (str(ipaddress.ip_address(host)) if _is_ip(host) else host.lower(), port)
        if key in seen:
            raise InputError(f"{where}: {address} is also {seen[key]}; expected a port of its own for each worker")
        seen[key] = where
        addresses.append(address)
    return addresses


def _address(where: str, text: object) -> str:
    """The "host:port" of one entry. Raises InputError if the entry is anything else."""
    flaw = _find_flaw(text.strip()) if isinstance(text, str) else "not a text"
    if flaw:
        raise InputError(f"{where}, {_shown(text)}: {flaw}; {EXPECTED_ADDRESS}")
    host, _, port = text.strip().rpartition(":")
    return f"{host.rstrip()}:{int(port)}"


def _find_flaw(text: str) -> str | None:
    """What is wrong with an address; None if nothing is."""
    host, colon, port = text.rpartition(":")
    host = host.rstrip()
    bracketed = host.startswith("[") and host.endswith("]")
    if not text:
        return "an empty entry"
    if "://" in text:
        return "a URL"
    if not colon or text.endswith("]"):
        return "no port"
    if ":" in host and not bracketed:
        return "more than one ':' (an IPv6 address stands in brackets, [::1]:4000)"
    if not re.fullmatch(r"[0-9]{1,5}", port) or not 1 <= int(port) <= 65535:
        return f"port {_shown(port)} is not a number from 1 to 65535"
    bare = host[1:-1] if bracketed else host
    if bracketed and not re.fullmatch(r"[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*(%[A-Za-z0-9._-]+)?", bare):
        return f"{_shown(bare)} is not an IPv6 address"
    if _is_ip(bare):
        unspecified = ipaddress.ip_address(bare).is_unspecified
        return "no address that other workers can reach" if unspecified else None
    if bracketed:
        return f"{_shown(bare)} is not an IPv6 address"
    if re.fullmatch(r"[0-9.]*", host) or not re.fullmatch(r"[A-Za-z0-9._-]+", host):
        return f"{_shown(host)} is not the name or address of a machine"
    return None


def _is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _shown(value: object) -> str:
    """A wrong value on one line, shortened if it is long."""
    text = repr(value)
    return text if len(text) <= MAX_SHOWN_CHARS else text[: MAX_SHOWN_CHARS - 3] + "..."
