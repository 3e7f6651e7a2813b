"""Whether there are traces in this process, by the variables that OpenTelemetry has for it."""

from collections.abc import Mapping

from shared.errors import SettingsError
from shared.settings import secret_of
from shared.tracing._span import OFF, Tracing

_ENDPOINT, _PROTOCOL = "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_PROTOCOL"
_TRACES_ENDPOINT, _TRACES_PROTOCOL = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"
_HEADERS = "OTEL_EXPORTER_OTLP_HEADERS"
_CERTIFICATES = {"OTEL_EXPORTER_OTLP_CERTIFICATE", "OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE"}
_EXPORTER, _DISABLED = "OTEL_TRACES_EXPORTER", "OTEL_SDK_DISABLED"


def tracing_of(environ: Mapping[str, str], *, service: str) -> Tracing:
    """The traces of a process that is `service` if the environment does not call it otherwise. Without an endpoint in
    the environment there are none, and OpenTelemetry is not imported. Called once, in the entry point; the SDK reads
    further variables from the environment of the process itself. Raises `SettingsError` for what is not spoken here."""
    given = {name: value.strip() for name, value in environ.items() if name.startswith("OTEL_") and value.strip()}
    variable = _TRACES_ENDPOINT if _TRACES_ENDPOINT in given else _ENDPOINT
    exporter = given.get(_EXPORTER, "otlp").lower()
    if variable not in given or exporter == "none" or given.get(_DISABLED, "").lower() == "true":
        return OFF
    if exporter != "otlp":
        raise SettingsError(f"{_EXPORTER}: there is no {exporter!r}; choose from otlp, none")
    if not given[variable].lower().startswith(("http://", "https://")):
        raise SettingsError(f"{variable}: must begin with http:// or https://")
    spoken = _TRACES_PROTOCOL if _TRACES_PROTOCOL in given else _PROTOCOL
    if given.get(spoken, "http/protobuf") != "http/protobuf":
        raise SettingsError(f"{spoken}: there is no {given[spoken]!r}; choose from http/protobuf")
    headers = secret_of(given, _HEADERS) if f"{_HEADERS}_FILE" in given else ""  # the SDK knows no such variable
    # The SDK's own library looks at no variable that all others know.
    signer = None if _CERTIFICATES & given.keys() else environ.get("SSL_CERT_FILE")
    from shared.tracing._opentelemetry import Recorder  # noqa: PLC0415 - seven megabytes that few processes need

    try:
        return Recorder(service, headers, signer)
    except ValueError as error:  # a number in one of its variables
        raise SettingsError(f"OTEL_…: {error}") from error
