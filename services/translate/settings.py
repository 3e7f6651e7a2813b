"""The settings of the translate service."""

from shared.settings import Count, Device, StageSettings


class Settings(StageSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the translate worker reads besides what every worker reads."""

    translate_engine: str = "embedded"
    """`embedded`: the Firefox translation models for English and Portuguese, which come with an installed package.
    `ctranslate2`: OPUS-MT, NLLB-200 and M2M-100, those that `TRANSLATE_MODELS` names."""
    translate_models: str = ""
    """Models for `ctranslate2`, with commas between: folders, or `owner/name` of a hub. Of models that know the same
    pair the first is taken. `en-de=` before a model says what it translates, `en-es+fr=` for several languages: needed
    for OPUS-MT only, and there only where neither its files nor its name tell."""
    translate_languages: str = ""
    """Of a model of many languages only these are offered, with commas between; empty offers all."""
    translate_pivot: str = "en"
    """A pair without a model of its own is translated through this language, where there are models for both halves;
    `none` offers only what has a model."""
    translate_device: Device = "cpu"
    """Where it computes."""
    translate_compute_type: str = ""
    """Precision, as CTranslate2 names it. The default is the fastest of the device: `int8` on processors, `float16` on
    graphics cards. `int8_float16` takes half the memory of a card."""
    translate_batch_size: Count = 32
    """Sentences that are translated at once. More is faster on a graphics card only."""
    translate_beam_size: Count = 2
    """Hypotheses that are followed. CTranslate2's own default; 1 is faster and a little worse."""

    @property
    def compute_type(self) -> str:
        """The precision that is asked for, or the usual one of the device."""
        return self.translate_compute_type or ("float16" if self.translate_device == "cuda" else "int8")
