"""The nlp worker: `python -m services.nlp.worker`."""

from services.nlp.engine import make_engine
from services.nlp.settings import Settings
from services.nlp.stage import STAGE
from shared.runner.worker import serve


def main() -> None:
    """Run until told to stop."""
    serve(STAGE, make_engine, Settings)


if __name__ == "__main__":
    main()
