"""The asr worker: `python -m services.asr.worker`."""

from services.asr.engine import make_engine
from services.asr.settings import Settings
from services.asr.stage import STAGE
from shared.runner.worker import serve


def main() -> None:
    """Run until told to stop."""
    serve(STAGE, make_engine, Settings)


if __name__ == "__main__":
    main()
