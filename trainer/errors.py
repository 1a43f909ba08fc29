"""How a training ends otherwise than done. The exit codes are the contract with the launcher (src/training)."""


class TrainerExit(Exception):
    """An end with its own exit code; the message is one line that says what is wrong and where."""

    exit_code = 1

    def __init__(self, message):
        super().__init__(' '.join(str(message).split()))


class DataError(TrainerExit):
    """The training set can't be used: permanent."""

    exit_code = 65


class ConfigurationError(TrainerExit):
    """The job, the base checkpoint or the Python environment can't be used: permanent."""

    exit_code = 78


class Stopped(TrainerExit):
    """Stopped before the end, to be gone on with later from the newest whole checkpoint."""

    exit_code = 75


class TrainingDiverged(TrainerExit):
    """A loss, gradient or weight is no longer a finite number."""

    exit_code = 1
