"""The translate worker: `python -m services.translate.worker`."""

from services.translate.engine import make_engine
from services.translate.settings import Settings
from services.translate.stage import STAGE
from shared.runner.worker import serve


def main() -> None:
    """Run until told to stop."""
    serve(STAGE, make_engine, Settings)


if __name__ == "__main__":
    main()
