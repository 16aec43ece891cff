"""The cluster that environment variables name."""

import json

import pytest

from keras_nonlocal.training.workers.cluster import find_cluster
from keras_nonlocal.training.workers.slurm import expand_counts, expand_hosts


def step(nodes, tasks_per_node, num_tasks, index, node=None, job=1000):
    """The variables of a task of `srun`, as Slurm sets them."""
    variables = {
        "SLURM_JOB_ID": job,
        "SLURM_NTASKS": num_tasks,
        "SLURM_PROCID": index,
        "SLURM_STEP_ID": 0,
        "SLURM_STEP_NODELIST": nodes,
        "SLURM_STEP_NUM_TASKS": num_tasks,
        "SLURM_STEP_TASKS_PER_NODE": tasks_per_node,
    }
    if node is not None:
        variables["SLURMD_NODENAME"] = node
    return {name: str(value) for name, value in variables.items()}


def config(task, **jobs):
    return {"TF_CONFIG": json.dumps({"cluster": jobs, "task": task})}


@pytest.mark.parametrize(
    ("hosts", "expected"),
    [
        ("login", ["login"]),
        ("node[01-03,7]", ["node01", "node02", "node03", "node7"]),
        ("n[9-11],m5", ["n9", "n10", "n11", "m5"]),
        ("a[1-2]b[3-4]-ib", ["a1b3-ib", "a1b4-ib", "a2b3-ib", "a2b4-ib"]),
        ("x-1,x-[098-101]", ["x-1", "x-098", "x-099", "x-100", "x-101"]),
    ],
)
def test_hosts_keep_the_order_of_slurm(hosts, expected):
    assert expand_hosts(hosts) == expected


@pytest.mark.parametrize("hosts", ["", "a[", "a[1-]", "a[]", "a,,b", "a[1]]", "a b"])
def test_malformed_hosts_are_rejected(hosts):
    with pytest.raises(ValueError, match=r"SLURM_STEP_NODELIST.*Received"):
        expand_hosts(hosts)


def test_counts():
    assert expand_counts("4") == [4]
    assert expand_counts("2(x3),1,3(x2)") == [2, 2, 2, 1, 3, 3]
    with pytest.raises(ValueError, match=r"TASKS_PER_NODE.*Received: '2x3'"):
        expand_counts("2x3")


def test_tasks_of_a_step_are_workers():
    found = [find_cluster(step("n[9-10]", "2,1", 3, i)) for i in range(3)]
    assert [cluster.index for cluster in found] == [0, 1, 2]
    assert len({cluster.addresses for cluster in found}) == 1
    assert [a.split(":")[0] for a in found[0].addresses] == ["n9", "n9", "n10"]
    assert found[2].source == "Slurm"
    assert str(found[2]).startswith("cluster from Slurm: worker 2 of 3, n10:")


def test_ports_are_those_of_the_job():
    ports = {
        int(address.rpartition(":")[2])
        for job in range(1000, 1200)
        for address in find_cluster(step("n1", "16", 16, 0, job=job)).addresses
    }
    assert len(ports) == 200 * 16
    assert min(ports) >= 61440
    assert max(ports) < 65536


@pytest.mark.parametrize(
    ("nodes", "counts", "tasks"),
    [("node[01-03,07]", "1(x4)", 4), ("a1,b[2-3]", "2(x2),1", 5)],
)
def test_hosts_are_those_of_other_readers(nodes, counts, tasks, monkeypatch):
    """TensorFlow's, where it has no GPUs to divide; JAX's, for the first address."""
    tf = pytest.importorskip("tensorflow")
    for name, value in step(nodes, counts, tasks, 1).items():
        monkeypatch.setenv(name, value)
    resolver = tf.distribute.cluster_resolver.SlurmClusterResolver(
        gpus_per_node=2, gpus_per_task=1, auto_set_gpu=False
    )
    theirs = resolver.cluster_spec().as_dict()["worker"]
    ours = find_cluster()
    assert resolver.get_task_info() == ("worker", ours.index)
    hosts = [address.rpartition(":")[0] for address in ours.addresses]
    assert hosts == [address.rpartition(":")[0] for address in theirs]


def test_a_task_elsewhere_than_in_blocks_is_rejected():
    assert find_cluster(step("n[1-2]", "2(x2)", 4, 1, node="n1")).index == 1
    with pytest.raises(ValueError, match=r"--distribution=block.*task 1 on n2"):
        find_cluster(step("n[1-2]", "2(x2)", 4, 1, node="n2"))


def test_slurm_without_srun_is_an_error():
    batch = {"SLURM_JOB_ID": "7", "SLURM_NTASKS": "4", "SLURM_PROCID": "0"}
    with pytest.raises(ValueError, match=r"`srun`.*SLURM_NTASKS=4"):
        find_cluster(batch)
    assert find_cluster(batch | {"SLURM_NTASKS": "1"}) is None


def test_one_task_is_no_cluster():
    assert find_cluster(step("n1", "1", 1, 0)) is None
    assert find_cluster({}) is None


def test_config_comes_before_slurm():
    environment = step("n[1-2]", "1(x2)", 2, 1)
    environment |= config({"type": "worker", "index": 0}, worker=["a:1", "b:2", "c:3"])
    cluster = find_cluster(environment)
    assert (cluster.source, cluster.index, cluster.count) == ("TF_CONFIG", 0, 3)


def test_the_chief_is_the_first():
    jobs = {"chief": ["a:1"], "worker": ["b:2", "c:3"]}
    worker = find_cluster(config({"type": "worker", "index": 1}, **jobs))
    assert (worker.index, worker.addresses) == (2, ("a:1", "b:2", "c:3"))
    assert find_cluster(config({"type": "chief", "index": 0}, **jobs)).index == 0


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        '{"cluster": {"worker": ["a:1"]}}',
        '{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 1}}',
        '{"cluster": {"worker": ["a"]}, "task": {"type": "worker", "index": 0}}',
        '{"cluster": {"worker": ["a:1"]}, "task": {"type": "ps", "index": 0}}',
    ],
)
def test_malformed_configs_are_rejected(text):
    with pytest.raises(ValueError, match=r"`TF_CONFIG` must be JSON.*Received"):
        find_cluster({"TF_CONFIG": text})


def test_a_config_without_cluster_is_none():
    assert find_cluster({"TF_CONFIG": "{}"}) is None
