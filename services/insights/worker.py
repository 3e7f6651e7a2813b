"""The insights worker: `python -m services.insights.worker`."""

from services.insights.engine import make_engine
from services.insights.settings import Settings
from services.insights.stage import STAGE
from shared.runner.worker import serve


def main() -> None:
    """Run until told to stop."""
    serve(STAGE, make_engine, Settings)


if __name__ == "__main__":
    main()
