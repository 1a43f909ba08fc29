"""The environment of the trainer's process: what libraries read there must not change a training, and they need a user."""

import contextlib
import gc
import os
import pwd
import stat
import tempfile

# Variables that decide what the job decides: precision, batch, compilation, kernels. A launcher such as `accelerate
# launch` sets some of them too, from a file of its own. TRL and transformers set again those that the job needs.
OF_THE_JOB = (
    'ACCELERATE_MIXED_PRECISION',
    'ACCELERATE_DOWNCAST_BF16',
    'ACCELERATE_FP8_',
    'ACCELERATE_DYNAMO_',
    'ACCELERATE_GRADIENT_',
    'FP8_',
    'TORCHDYNAMO_',
    'TORCHINDUCTOR_',
    'TORCH_COMPILE',
    'TORCH_ALLOW_TF32',
    'TORCH_BLAS_',
    'TORCH_CUDNN_',
    'TORCH_LINEAR_',
    'NVIDIA_TF32_OVERRIDE',
    'DISABLE_ADDMM_CUDA_LT',
    'DNNL_DEFAULT_FPMATH_MODE',
    'ONEDNN_DEFAULT_FPMATH_MODE',
    'USE_HUB_KERNELS',
)
# Variables by which the processes of one training know each other. They come from its launcher, or from somebody else's.
OF_A_LAUNCHER = (
    'ACCELERATE_',
    'FSDP_',
    'MEGATRON_LM_',
    'PARALLELISM_CONFIG_',
    'OMPI_COMM_WORLD_',
    'MV2_COMM_WORLD_',
    'PMI_',
    'RANK',
    'LOCAL_RANK',
    'LOCAL_WORLD_SIZE',
    'USE_TORCH_XLA',
    'PJRT_DEVICE',
)
KEPT = ('TORCHINDUCTOR_CACHE_DIR',)


def clear_settings():
    """Removes the variables that would change a training: it follows from its job alone. Call it before torch is
    imported."""
    is_launched = 'WORLD_SIZE' in os.environ
    prefixes = OF_THE_JOB if is_launched else OF_THE_JOB + OF_A_LAUNCHER
    for name in list(os.environ):
        if name.startswith(prefixes) and name not in KEPT:
            del os.environ[name]


@contextlib.contextmanager
def quick_imports():
    """Imports torch, transformers and TRL in a sixth less time. Nearly all objects that they make stay, and the garbage
    collector would look through them again and again. Afterwards it leaves them out, in the training too."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def know_user():
    """Gives the process a user's name and a home, where the system knows none, as in a container that runs under any user
    id: torch asks for the name, and libraries would make their caches in a folder that is called `~`. If the home can't be
    written, what they would write there goes to a temporary folder."""
    try:
        pwd.getpwuid(os.getuid())
    except KeyError:
        os.environ.setdefault('USER', str(os.getuid()))
        os.environ.setdefault('LOGNAME', os.environ['USER'])
    home = os.path.expanduser('~')
    if not os.path.isabs(home):
        home = os.environ['HOME'] = os.path.join(scratch_folder(), 'home')
        with contextlib.suppress(OSError):  # whoever needs it says so
            os.makedirs(home, exist_ok=True)
    if not os.access(home, os.W_OK):
        scratch = scratch_folder()
        for name in ('TORCHINDUCTOR_CACHE_DIR', 'TRITON_CACHE_DIR', 'HF_MODULES_CACHE', 'MPLCONFIGDIR'):
            os.environ.setdefault(name, os.path.join(scratch, name.lower()))


def scratch_folder():
    """This user's folder among the temporary files of all users. Compiled code is cached there and run, so if somebody else
    has made the folder or may write to it, it is a new one, of this process only."""
    folder = os.path.join(tempfile.gettempdir(), f'self-taught-evaluator-{os.getuid()}')
    with contextlib.suppress(OSError):
        os.mkdir(folder, 0o700)
    try:
        found = os.lstat(folder)
    except FileNotFoundError:
        return folder  # whoever needs it says why it can't be made
    is_own = stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o022
    return folder if is_own else tempfile.mkdtemp(prefix='self-taught-evaluator-')
