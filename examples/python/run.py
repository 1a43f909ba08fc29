"""Starts, follows and steers a run of the Self-Taught Evaluator:

    python run.py start CONFIGURATION.json
    python run.py follow|pause|resume|cancel|result NAME [REASON]

The server is that of TEMPORAL_ADDRESS, or of a profile of Temporal's configuration file.
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


async def start(client: Client, file: str) -> None:
    """Starts the run, or finds the one of this name that is under way."""
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
    """Prints a line whenever something has changed, until the run has ended."""
    shown = None
    while True:
        description = await run.describe()
        try:
            line = line_of(await run.query("progress"))
        except (RPCError, WorkflowQueryFailedError):
            # No worker answers just now: only the server knows whether the run has ended.
            line = shown
        if line != shown:
            shown = line
            print(line, flush=True)
        if description.status != WorkflowExecutionStatus.RUNNING:
            return
        await asyncio.sleep(1)


def line_of(progress: dict) -> str:
    stages = [
        f"{stage['name']} {stage['done']}/{stage['of']}" if "of" in stage else stage["name"]
        for stage in progress["stages"]
    ]
    paused = progress.get("paused")
    return f"{'paused: ' + paused['reason'] if paused else progress['phase']} {', '.join(stages)}"


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
    elif command == "result":
        print(json.dumps(await run.result()))
    else:
        raise SystemExit("say one of start, follow, pause, resume, cancel, result")


if __name__ == "__main__":
    code = 0
    if len(sys.argv) < 3:
        raise SystemExit("run.py start|follow|pause|resume|cancel|result NAME (for start a file)")
    try:
        asyncio.run(main(*sys.argv[1:]))
    except (WorkflowFailureError, WorkflowUpdateFailedError) as error:
        print(error.cause, file=sys.stderr)
        code = 1
    except RPCError as error:
        print(error.message, file=sys.stderr)
        code = 1
    # A thread of the SDK may still be at work while Python shuts down, which aborts the process now and then
    # (temporalio/sdk-python issue 300). A service that goes on running has no need of this.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
