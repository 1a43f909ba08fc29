"""The ways in which a training ends without a result. The launching side (src/training) acts on the exit codes."""


class TrainerExit(Exception):
    """Ends the trainer with an exit code. The message is one line that says what is wrong and where."""

    exit_code = 1

    def __init__(self, message):
        super().__init__(' '.join(str(message).split()))


class DataError(TrainerExit):
    """The training set is unusable: another try would fail in the same way."""

    exit_code = 65


class ConfigurationError(TrainerExit):
    """The job, the base checkpoint or the Python environment is unusable: another try would fail in the same way."""

    exit_code = 78


class Stopped(TrainerExit):
    """Stopped before the end; the next start resumes from the newest complete checkpoint."""

    exit_code = 75


class TrainingDiverged(TrainerExit):
    """A loss, a gradient or a weight is not a finite number."""

    exit_code = 1
