"""Starts, follows and controls a run of the Self-Taught Evaluator:

    python run.py start CONFIGURATION.json
    python run.py follow|pause|resume|cancel|result NAME [REASON]

Connects to the server of TEMPORAL_ADDRESS, or of the profile in Temporal's configuration file.
"""

import asyncio
import json
import os
import sys
from pathlib import Path

from temporalio.client import (
    Client,
    WorkflowExecutionStatus,
    WorkflowFailureError,
    WorkflowHandle,
    WorkflowQueryFailedError,
    WorkflowUpdateFailedError,
)
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.envconfig import ClientConfig
from temporalio.service import RPCError

COMMANDS = ["start", "follow", "pause", "resume", "cancel", "result"]


async def start(client: Client, file: str) -> None:
    """Starts the run, or finds the running one of this name."""
    configuration = json.loads(Path(file).read_text())
    handle = await client.start_workflow(
        "selfTaughtEvaluator",
        configuration,
        id=configuration["runName"],
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        task_queue="self-taught-evaluator",
    )
    print(handle.id)


async def follow(run: WorkflowHandle) -> None:
    """Prints a line whenever the progress changes, until the run has ended."""
    shown = None
    while True:
        status = (await run.describe()).status
        has_ended = status != WorkflowExecutionStatus.RUNNING
        try:
            line = line_of(await run.query("progress"))
        except (RPCError, WorkflowQueryFailedError):
            # No worker answers at the moment; the server knows whether the run has ended, and how.
            line = status.name.lower() if has_ended else shown
        if line != shown:
            shown = line
            print(line, flush=True)
        if has_ended:
            return
        await asyncio.sleep(1)


def line_of(progress: dict) -> str:
    stages = [
        f"{stage['name']} {stage['done']}/{stage['total']}" if "total" in stage else stage["name"]
        for stage in progress["stages"]
    ]
    paused = progress.get("paused")
    return f"{'paused: ' + paused['reason'] if paused else progress['status']} {', '.join(stages)}"


async def main(command: str, name: str, *reason: str) -> None:
    client = await Client.connect(**ClientConfig.load_client_connect_config())
    run = client.get_workflow_handle(name)
    if command == "start":
        await start(client, name)
    elif command == "follow":
        await follow(run)
    elif command == "pause":
        await run.execute_update("pause", {"reason": reason[0]} if reason else {})
    elif command == "resume":
        await run.execute_update("resume")
    elif command == "cancel":
        await run.cancel()
    else:
        print(json.dumps(await run.result()))


if __name__ == "__main__":
    code = 0
    if len(sys.argv) < 3 or sys.argv[1] not in COMMANDS:
        raise SystemExit("usage: run.py start FILE, or run.py follow|pause|resume|cancel|result NAME")
    try:
        asyncio.run(main(*sys.argv[1:]))
    except (WorkflowFailureError, WorkflowUpdateFailedError) as error:
        print(error.cause, file=sys.stderr)
        code = 1
    except RPCError as error:
        print(error.message, file=sys.stderr)
        code = 1
    # Exits without Python's shutdown: a thread of the SDK may still be running, which sometimes aborts the process
    # (temporalio/sdk-python issue 300). A long-running service does not need this.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
