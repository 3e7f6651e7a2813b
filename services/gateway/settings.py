"""What the gateway reads from the environment."""

from pathlib import Path
from typing import Annotated

import msgspec

from services.gateway.cors import origins_of
from services.gateway.outbound.addresses import networks_of
from shared import webhooks
from shared.settings import BaseSettings, Count, Seconds, Secret


class Settings(BaseSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The environment variable of a field is its name in capitals."""

    host: str = "127.0.0.1"
    """Address to listen on. An image sets 0.0.0.0; on a person's machine nobody else gets in."""
    port: Annotated[int, msgspec.Meta(ge=0, le=65_535)] = 8000
    page: bool = True
    """Whether `/` is a web page for people. It is open to all; what it asks of the gateway needs a key where one is
    asked for."""
    max_upload_bytes: Count = 2 << 30
    """The largest recording that is taken, in bytes. A proxy in front needs the same number."""
    max_text_characters: Count = 250_000
    """The longest text that is taken, in characters: about forty thousand words."""
    spool_dir: Path = Path("/var/lib/voxmesh/spool")
    """Where uploads lie while they arrive. On the disk of a local blob store, keeping one costs no copy."""
    upload_stall_seconds: Seconds = 30.0
    """An upload of which nothing, or next to nothing, has arrived for this long is given up."""
    ping_seconds: Annotated[float, msgspec.Meta(gt=0, le=15)] = 10.0
    """A silent stream gets a comment this often. Clients are promised one every 15 seconds; this leaves a margin."""
    tombstone_seconds: Count = 604_800
    """For so long after its time a task is answered 410, and after that 404, as if it had never been: a week."""
    poll_seconds: Seconds = 2.0
    """How often the record of a task is looked at for a client of the polling stream."""
    shutdown_seconds: Annotated[int, msgspec.Meta(ge=0)] = 8
    """How long requests may take to end after SIGTERM. Streams end at once: their clients come back elsewhere."""
    default_topics: str = ""
    """Comma-separated labels for classification when the client gives none; empty leaves it to the nlp worker."""
    default_entity_labels: str = ""
    """The same for entities."""
    webhook_secret: Secret = ""
    """What webhooks are signed with, the same for all gateways: each tenant's own secret is made from it. Without one
    there are no webhooks."""
    webhook_retry_seconds: Seconds = 10.0
    """After how long a webhook that was not taken is sent again; each time three times as long, up to an hour."""
    outbound_allow: str = ""
    """Comma-separated networks that webhooks and `audio_url` may lead into though they are not public, also by http:
    `10.2.0.0/16`, say."""
    openai_models: str = "whisper-1,gpt-4o-transcribe,gpt-4o-mini-transcribe,gpt-4o-transcribe-diarize,gpt-transcribe"
    """Comma-separated names under which clients of the OpenAI API get whatever model the workers run: most have one of
    these built in. The models' own names count in any case."""
    cors_origins: str = ""
    """Comma-separated origins whose pages may use the gateway, such as `https://app.example.com`; `*` for all. Pages of
    the gateway's own origin always may."""
    api_keys: str = ""
    """`name:sha256,…`: who is let in, as `voxmesh key NAME` prints it. Without keys everybody is."""
    api_keys_file: Path | None = None
    """The same in a file, one on a line, # for remarks. A change counts within a second."""
    link_secret: Secret = ""
    """What stream links are signed with, the same for all gateways. Empty: they share a random one through Redis."""
    link_seconds: Count = 600
    """How long a stream link lets somebody open or reopen the stream of its task."""
    requests_per_minute: Annotated[int, msgspec.Meta(ge=0)] = 600
    """How many requests a tenant may make, in one go or spread; 0 sets no limit. Each link counts by itself."""
    tasks_at_a_time: Annotated[int, msgspec.Meta(ge=0)] = 100
    """How many unfinished tasks a tenant may have; 0 sets no limit."""
    audio_seconds_per_day: Annotated[float, msgspec.Meta(ge=0)] = 360_000.0
    """How much audio a tenant may submit in a day, by UTC: a hundred hours; 0 sets no limit."""
    max_queue: Annotated[int, msgspec.Meta(ge=0)] = 1_000
    """Submissions are refused while a stage on their way has this many jobs, in work or waiting; 0 sets no limit. What
    is bearable depends on the workers: jobs, times the seconds that one takes, over the workers of the stage."""

    def __post_init__(self) -> None:
        super().__post_init__()
        origins_of(self.cors_origins)
        networks_of(self.outbound_allow)
        webhooks.check(self.webhook_secret)
