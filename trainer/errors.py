"""The ways in which a training ends without a result. The launching side (src/models/training) acts on the exit codes."""

SYSTEM_FAILED = 71  # the exit code if the operating system refused something
NO_ROOM = 74  # the exit code if a disk is full or a bucket can't be reached

NEEDS_FOLDER = (
    'a training on several machines keeps its output in a folder that all of them see, and not in a bucket: use a store in a '
    'shared folder, or train on one machine'
)


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


class StorageUnavailable(OSError):
    """A bucket can't be used. The message is one sentence that says what is wrong and what to do. `is_permanent` says
    whether it stays so until somebody changes the configuration."""

    def __init__(self, message, is_permanent):
        super().__init__(message)
        self.is_permanent = is_permanent
