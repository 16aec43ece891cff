"""The files for Kubernetes and Slurm, with simulated variables and commands."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from keras_nonlocal.cli import main
from keras_nonlocal.training.workers.cluster import find_cluster

FOLDER = Path(__file__).parents[2] / "examples" / "clusters"
BATCH_FILE = FOLDER / "slurm.sbatch"


@pytest.fixture(scope="module")
def manifest():
    yaml = pytest.importorskip("yaml")
    text = (FOLDER / "kubernetes.yaml").read_text("utf-8")
    return {part["kind"]: part for part in yaml.safe_load_all(text)}


@pytest.fixture(scope="module")
def job(manifest):
    return manifest["Job"]["spec"]


@pytest.fixture(scope="module")
def container(job):
    (container,) = job["template"]["spec"]["containers"]
    return container


def variables(container):
    return {each["name"]: each["value"] for each in container["env"]}


def command(name, folder, body):
    """A program of this name that runs `body` in bash."""
    file = folder / name
    file.write_text(f"#!/bin/bash\n{body}\n", encoding="utf-8")
    file.chmod(0o755)


def test_fields_of_the_manifest_that_must_match(manifest, job, container):
    service, pod = manifest["Service"], job["template"]["spec"]
    name = manifest["Job"]["metadata"]["name"]
    environment = variables(container)
    assert service["spec"]["selector"] == {"job-name": name}
    assert service["spec"]["clusterIP"] == "None"
    assert service["spec"]["publishNotReadyAddresses"] is True
    assert pod["subdomain"] == service["metadata"]["name"] == environment["SERVICE"]
    assert environment["JOB"] == name
    assert job["completionMode"] == "Indexed"
    assert job["completions"] == job["parallelism"] == int(environment["WORKERS"])
    port = int(environment["PORT"])
    assert [each["port"] for each in service["spec"]["ports"]] == [port]
    assert [each["containerPort"] for each in container["ports"]] == [port]
    assert pod["restartPolicy"] == "Never"
    assert {m["name"] for m in container["volumeMounts"]} == {
        v["name"] for v in pod["volumes"]
    }
    rules = job["podFailurePolicy"]["rules"]
    assert {
        code: rule["action"]
        for rule in rules
        if "onExitCodes" in rule
        for code in rule["onExitCodes"]["values"]
    } == {1: "FailJob", 2: "FailJob", 3: "Ignore", 134: "Ignore"}
    assert all(
        rule["onExitCodes"]["containerName"] == container["name"]
        for rule in rules
        if "onExitCodes" in rule
    )


@pytest.mark.parametrize("workers", [2, 3])
def test_the_manifest_writes_the_cluster(container, workers, tmp_path):
    command("keras-nonlocal", tmp_path, 'printf %s "$TF_CONFIG"; echo; echo "$@"')
    clusters = []
    for index in range(workers):
        finished = subprocess.run(
            [*container["command"], *container["args"]],
            env={
                **variables(container),
                "PATH": f"{tmp_path}:/usr/bin:/bin",
                "WORKERS": str(workers),
                "JOB_COMPLETION_INDEX": str(index),
            },
            capture_output=True,
            text=True,
            check=True,
        )
        text, _, arguments = finished.stdout.strip().rpartition("\n")
        json.loads(text)
        clusters.append(find_cluster({"TF_CONFIG": text}))
    addresses = [
        f"nonlocal-train-{index}.nonlocal-workers:12345" for index in range(workers)
    ]
    assert [list(cluster.addresses) for cluster in clusters] == [addresses] * workers
    assert [cluster.index for cluster in clusters] == list(range(workers))
    check_options(arguments.split())


def check_options(arguments):
    """The command has these options: it fails for want of the videos only."""
    assert arguments[:1] == ["train"]
    assert arguments[arguments.index("--strategy") + 1] == "multi-worker"
    arguments[arguments.index("--strategy") + 1] = "none"
    assert main([*arguments, "--num-frames", "0"]) == 2


def test_the_manifest_fits_the_schema(manifest):
    validate = pytest.importorskip("kubernetes_validate").validate
    for part in manifest.values():
        validate(part, "1.37", strict=True)


def run_batch_file(folder, srun, **environment):
    """Runs the batch file with commands in place of those of Slurm."""
    run = folder / "run"
    run.mkdir(exist_ok=True)
    command("scontrol", folder, f'echo "$@" >> {folder}/requeued')
    command("srun", folder, f'echo "$@" > {folder}/arguments\n{srun}')
    return subprocess.run(
        ["bash", BATCH_FILE, "videos", run],
        env={
            **os.environ,
            "PATH": f"{folder}:{os.environ['PATH']}",
            "SLURM_JOB_ID": "41",
            "TMPDIR": str(folder),
            **environment,
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def requeued(folder):
    file = folder / "requeued"
    return file.read_text("utf-8").split("\n")[:-1] if file.exists() else []


SAVES = 'sleep 0.1; touch "$RUN/state.npz"'


@pytest.mark.parametrize(
    ("srun", "restarts", "code", "is_back"),
    [
        (f"{SAVES}; exit 0", "0", 0, False),
        (f"{SAVES}; exit 137", "0", 137, True),
        (f"{SAVES}; exit 3", "4", 3, True),
        (f"{SAVES}; exit 3", "20", 3, False),
        ("exit 2", "0", 2, False),  # an option is wrong: nothing was saved
    ],
)
def test_a_failed_step_goes_back_into_the_queue(
    srun, restarts, code, is_back, tmp_path
):
    finished = run_batch_file(
        tmp_path, srun, SLURM_RESTART_COUNT=restarts, RUN=str(tmp_path / "run")
    )
    assert finished.returncode == code, finished.stderr
    assert requeued(tmp_path) == (["requeue 41"] if is_back else [])
    assert [*tmp_path.glob("tmp.*")] == []
    arguments = (tmp_path / "arguments").read_text("utf-8").split()
    assert "--kill-on-bad-exit=1" in arguments
    check_options(arguments[arguments.index("keras-nonlocal") + 1 :])


def test_the_end_of_the_time_puts_the_job_back(tmp_path):
    # $PPID is the batch file, which Slurm signals.
    finished = run_batch_file(tmp_path, "kill -USR1 $PPID; sleep 1")
    assert finished.returncode == 0, finished.stderr
    assert requeued(tmp_path) == ["requeue 41"]


def test_the_batch_file_is_sound():
    subprocess.run(["bash", "-n", BATCH_FILE], check=True)
    if shutil.which("shellcheck") is None:
        pytest.skip("shellcheck is not installed")
    subprocess.run(["shellcheck", BATCH_FILE], check=True)
