"""The settings of the nlp service."""

from typing import Annotated

import msgspec

from shared.inference import processors
from shared.settings import Count, Device, StageSettings


class Settings(StageSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the nlp worker reads besides what every worker reads.

    Each of the three parts has its own engine, because a good model for one is seldom good for another.

    A `…_model` is the path of a folder, or the name of a model that `voxmesh models` knows; an `embedded` engine has
    its own. `…_languages` are ISO 639 codes, with commas between, of what the model was made for; empty stands for all.
    """

    nlp_entities_engine: str = "embedded"
    """Who finds named entities: `embedded` is spaCy's small English model; `gliner` finds what any word names."""
    nlp_entities_model: str = ""
    nlp_entities_languages: str = ""
    nlp_entities_threshold: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.5
    """How sure GLiNER must be of an entity. Its authors' own default; less finds more, and more that is wrong."""
    nlp_topics_engine: str = "embedded"
    """Who classifies: `embedded` compares MiniLM sentence embeddings with each label; `nli` asks a model of natural
    language inference (MNLI) whether the text entails the label."""
    nlp_topics_model: str = ""
    nlp_topics_languages: str = ""
    nlp_topics_hypothesis: str = "This text is about {}."
    """What the `nli` model is asked to judge; the label takes the place of `{}`."""
    nlp_topics_pairs: Count = 2_000
    """At most so many pairs of window and label are judged for one text; of a longer one, windows spread evenly over it
    are read. With the 17 default topics that is some 117 windows, about the transcript of three hours."""
    nlp_summary_engine: str = "embedded"
    """Who summarises: `embedded` quotes the sentences that stand for the rest, by MiniLM; `seq2seq` writes, by a model
    such as BART or T5."""
    nlp_summary_model: str = ""
    nlp_summary_languages: str = ""
    nlp_summary_prefix: str = ""
    """What the `seq2seq` model wants to read before the text, such as `summarize:`; by default what its configuration
    names."""
    nlp_summary_words: Count = 200
    """Summaries of the parts of a long text are summarised again until they have at most so many words together."""
    nlp_device: Device = "cpu"
    """Where `gliner`, `nli` and `seq2seq` run. The embedded models are small and stay on the processor."""
    nlp_batch_size: Count = 8
    """Windows that are computed at once. More is faster on a graphics card only."""
    nlp_entity_labels: str = "person, organization, location, date, time, money, product, event"
    """The entities to look for when the client names none, with commas between."""
    nlp_topics: str = (
        "business, finance, technology, science, politics, law, health, education, sports, entertainment, "
        "travel, food, environment, family and relationships, religion, history, crime"
    )
    """The topics to choose from when the client names none, with commas between. Plain English words do best."""

    @property
    def threads(self) -> int:
        """Half of the processors: a second thread makes a small model a quarter faster where it has a core to itself,
        and ten times slower where it has to wait for one that another worker is using."""
        return self.worker_threads or max(1, processors.available() // 2)
