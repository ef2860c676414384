"""Who trains together, as flags and schedulers say it."""

import json

import pytest

from tienet.distributed.cluster import Cluster, host_and_port
from tienet.errors import InputError

TWO = "10.0.0.1:4000,10.0.0.2:4000"


def tf_config(cluster, task=None, **more) -> dict[str, str]:
    given = {"cluster": cluster, **more} | ({} if task is None else {"task": task})
    return {"TF_CONFIG": json.dumps(given)}


def test_flags_name_the_addresses_by_rank():
    cluster = Cluster.from_arguments(f" {TWO} ,[::1]:4000", 1, {})
    assert cluster.addresses == ("10.0.0.1:4000", "10.0.0.2:4000", "[::1]:4000")
    assert (cluster.rank, cluster.size, cluster.is_chief) == (1, 3, False)
    assert cluster.name(1) == "worker 1 (10.0.0.2:4000)"
    assert Cluster.from_arguments(TWO, 0, {}).is_chief
    assert host_and_port(cluster.addresses[2]) == ("::1", 4000)


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"TF_CONFIG": " "},
        {"TF_CONFIG": "{}"},
        tf_config({}, {}),
        tf_config({}, {"type": "master", "index": 0}),
        tf_config({}, {"index": "0"}),
        tf_config(None, None, environment="cloud"),
        tf_config({"worker": ["a:1"]}),
        tf_config({"worker": ["a:1"]}, {"type": "worker", "index": 0}),
        tf_config({"chief": ["a:1"], "worker": [], "ps": []}, {"type": "chief", "index": "0"}),
    ],
)
def test_one_process_alone_has_no_addresses(environ):
    cluster = Cluster.from_arguments(None, None, environ)
    assert cluster == Cluster()
    assert (cluster.addresses, cluster.size, cluster.is_chief, cluster.name(0)) == ((), 1, True, "worker 0")


def test_one_worker_by_flags_is_alone():
    assert Cluster.from_arguments("a:1", 0, {}) == Cluster()


@pytest.mark.parametrize("chief", ["chief", "master"])
@pytest.mark.parametrize(("kind", "index", "rank"), [("chief", 0, 0), ("worker", 0, 1), ("worker", "1", 2)])
def test_the_chief_of_tf_config_is_rank_0(chief, kind, index, rank):
    jobs = {"worker": ["w0.pool.svc:2222", "w1.pool.svc:2222"], chief: ["c.pool.svc:2222 "]}
    environ = tf_config(
        jobs, {"type": chief if kind == "chief" else kind, "index": index}, environment="cloud", job="{}"
    )
    cluster = Cluster.from_arguments(None, None, environ)
    assert cluster.addresses == ("c.pool.svc:2222", "w0.pool.svc:2222", "w1.pool.svc:2222")
    assert cluster.rank == rank


def test_without_a_chief_the_first_worker_is():
    cluster = Cluster.from_arguments(None, None, tf_config({"worker": ["a:1", "b:1"]}, {"type": "worker", "index": 0}))
    assert cluster == Cluster(("a:1", "b:1"), 0)


def test_flags_win_with_a_note_where_tf_config_differs(capsys):
    same = tf_config({"worker": TWO.split(",")}, {"type": "worker", "index": 1})
    other = tf_config({"worker": TWO.split(",")}, {"type": "worker", "index": 0})
    assert Cluster.from_arguments(TWO, 1, same).rank == 1
    assert capsys.readouterr().err == ""
    for environ in (other, {"TF_CONFIG": "{"}):
        assert Cluster.from_arguments(TWO, 1, environ).rank == 1
        err = capsys.readouterr().err
        assert err.startswith("note: --workers and --task are used; TF_CONFIG says otherwise")
        assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("workers", "task", "said"),
    [
        (TWO, None, "--workers without --task"),
        (None, 0, "--task without --workers"),
        (" ", 0, "--workers is empty"),
        (TWO, 2, "--task 2: no such worker; expected 0 to 1"),
        (TWO, -1, "--task -1: no such worker"),
        ("a:1", 1, "--task 1: no such worker; expected 0"),
        (TWO + ",", 0, "--workers, entry 2, '': an empty entry"),
        ("a:1,,b:1", 0, "--workers, entry 1, '': an empty entry"),
        ("a:1,b", 0, "--workers, entry 1, 'b': no port"),
        ("a:1,[::1]", 0, "'[::1]': no port"),
        ("a:1,b:", 0, "port '' is not"),
        ("a:1,b:0", 0, "port '0' is not a number from 1 to 65535"),
        ("a:1,b:65536", 0, "port '65536' is not"),
        ("a:1,b:-4", 0, "port '-4' is not"),
        ("a:1,b:٤", 0, "port '٤' is not"),
        ("a:1,b: 4", 0, "port ' 4' is not"),
        ("a:1,::1:4000", 0, "'::1:4000': more than one ':' (an IPv6 address stands in brackets"),
        ("a:1,[::1:4000", 0, "more than one ':'"),
        ("a:1,[10.0.0.1]:4", 0, "'10.0.0.1' is not an IPv6 address"),
        ("a:1,[::1%a b]:4", 0, "'::1%a b' is not an IPv6 address"),
        ("a:1,[:::1]:4", 0, "':::1' is not an IPv6 address"),
        ("a:1,10.0.0.300:4", 0, "'10.0.0.300' is not the name or address"),
        ("a:1,b c:4", 0, "'b c' is not the name or address"),
        ("a:1;b:4", 0, "more than one ':'"),
        ("a:1,:4", 0, "'' is not the name or address"),
        ("a:1,grpc://b:4", 0, "'grpc://b:4': a URL"),
        ("a:1,0.0.0.0:4", 0, "no address that other workers can reach"),
        ("a:1,A:1", 0, "--workers, entry 1: A:1 is also --workers, entry 0"),
        ("[::1]:1,[0:0::1]:01", 0, "entry 1: [0:0::1]:1 is also --workers, entry 0"),
        ("a:1," + "b" * 999, 0, "bbb...: no port"),
    ],
)
def test_wrong_flags_are_one_line_that_names_them(workers, task, said):
    with pytest.raises(InputError) as raised:
        Cluster.from_arguments(workers, task, {})
    assert said in str(raised.value)
    assert "expected" in str(raised.value)
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 250


W = {"worker": ["a:1", "b:1"]}
T = {"type": "worker", "index": 0}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{'cluster': {}}", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("9" * 5000, "not JSON"),
        ("null", "not an object"),
        ("[]", "not an object"),
        ({"cluster": ["a:1"], "task": T}, "cluster is ['a:1']"),
        ({"cluster": W, "task": 0}, "task is 0"),
        ({"cluster": {"worker": "a:1,b:1"}, "task": T}, "worker is 'a:1,b:1'"),
        ({"cluster": {"worker": {"0": "a:1"}}, "task": T}, "worker is {'0': 'a:1'}"),
        ({"cluster": {"worker": ["a:1", 3]}, "task": T}, "TF_CONFIG, worker 1, 3: not a text"),
        ({"cluster": {"worker": ["a:1", ""]}, "task": T}, "TF_CONFIG, worker 1, '': an empty entry"),
        ({"cluster": {"worker": ["a:1", "b"]}, "task": T}, "TF_CONFIG, worker 1, 'b': no port"),
        ({"cluster": {"chief": ["a:1"], "worker": ["a:1"]}, "task": T}, "worker 0: a:1 is also TF_CONFIG, chief 0"),
        ({"cluster": {"workerpool0": ["a:1"]}, "task": T}, "a job 'workerpool0'"),
        ({"cluster": W | {"chief": ["c:1", "d:1"]}, "task": T}, "2 chiefs"),
        ({"cluster": W | {"chief": ["c:1"], "master": ["d:1"]}, "task": T}, "2 chiefs"),
        ({"cluster": W}, "task type None; expected one of the cluster's: worker"),
        ({"cluster": W, "task": {}}, "task type None"),
        ({"cluster": W, "task": {"type": "chief", "index": 0}}, "task type 'chief'; expected one of"),
        ({"cluster": {"worker": ["a:1"]}, "task": {"type": "chief", "index": 0}}, "task type 'chief'; expected one of"),
        ({"cluster": W, "task": {"type": ["worker"], "index": 0}}, "task type ['worker']"),
        ({"cluster": W, "task": {"type": "worker", "index": 2}}, "task index 2 of worker; expected 0 to 1"),
        (
            {"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 1}},
            "task index 1 of worker; expected 0",
        ),
        ({"cluster": {}, "task": {"type": "worker", "index": 1}}, "task index 1 of worker; expected 0"),
        ({"cluster": W, "task": {"type": "worker"}}, "task index None"),
        ({"cluster": W, "task": {"type": "worker", "index": -1}}, "task index -1"),
        ({"cluster": W, "task": {"type": "worker", "index": 1.0}}, "task index 1.0"),
        ({"cluster": W, "task": {"type": "worker", "index": True}}, "task index True"),
        ({"cluster": W, "task": {"type": "worker", "index": "1" * 5000}}, "task index '111"),
        ({"cluster": W, "task": {"type": "evaluator", "index": 0}}, "'evaluator': this training has no evaluator"),
        ({"cluster": {}, "task": {"type": "evaluator", "index": 0}}, "'evaluator': this training has no evaluator"),
        ({"cluster": W, "task": {"type": "ps", "index": 0}}, "'ps': this training has no parameter servers"),
        ({"cluster": W | {"ps": ["p:1"]}, "task": T}, "'ps': this training has no parameter servers"),
        ({"cluster": W | {"evaluator": ["p:1"]}, "task": T}, "'evaluator'"),
    ],
)
def test_a_wrong_tf_config_is_one_line_that_names_it(text, said):
    with pytest.raises(InputError) as raised:
        Cluster.from_arguments(None, None, {"TF_CONFIG": text if isinstance(text, str) else json.dumps(text)})
    assert said in str(raised.value)
    assert "TF_CONFIG" in str(raised.value)
    assert "expected" in str(raised.value) or "start a chief and workers only" in str(raised.value)
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 350
