"""A name on the Hugging Face hub → a local folder.

Nothing opens a socket but the functions of this module. Downloads go through huggingface_hub, so HF_HOME, HF_ENDPOINT,
HF_TOKEN and HF_HUB_OFFLINE mean what they mean everywhere. Knows nothing of what the files hold, nor of paths.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from bertwright.errors import HubError, UsageError

_KINDS = {"model": "model", "dataset": "data set"}


def download(
    name: str,
    files: Sequence[str],
    *,
    kind: Literal["model", "dataset"] = "model",
    revision: str | None = None,
    here: str = "",
) -> Path:
    """Return the folder with those files of a repository that match `files`; what is cached is not fetched again.

    Args:
        name: `owner/name`, or a model's short name.
        files: Patterns of file names.
        kind: What sort of repository it is.
        revision: A branch or a commit.
        here: What to say first when the name leads nowhere: that there is no such folder, where one could be meant.

    Raises:
        UsageError: The name can be none on the hub.
        HubError: The hub does not know the name, wants a token, or cannot be reached and the cache is empty.
    """
    # Imported here: it reads the HF_… variables once, and takes its time.
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError

    what = _KINDS[kind]
    try:
        return Path(snapshot_download(name, repo_type=kind, revision=revision, allow_patterns=list(files)))
    except HFValidationError as error:
        raise UsageError(f"no {what} folder {name!r}, and no name on the hub looks like it") from error
    except Exception as error:  # below the hub library lie other HTTP clients with every version
        raise HubError(f"cannot get the {what} {name!r}: {here}{_reason(name, what, error)}") from error


def _reason(name: str, what: str, error: Exception) -> str:
    """Say what went wrong and what to do."""
    from huggingface_hub import constants, errors

    hub, cache = constants.ENDPOINT, constants.HF_HUB_CACHE
    prefix = "" if what == "model" else "datasets/"
    if isinstance(error, errors.GatedRepoError):
        return f"its authors want your consent; give it at {hub}/{prefix}{name} and set HF_TOKEN"
    if isinstance(error, errors.RepositoryNotFoundError):
        return f"{hub} has no such {what}, or a private one; check the name or set HF_TOKEN"
    not_cached = isinstance(error, errors.LocalEntryNotFoundError)
    cause = error.__cause__ if not_cached else error
    if isinstance(cause, errors.HfHubHTTPError):
        return f"{hub} answered {cause.response.status_code}; try again later, or check HF_TOKEN"
    if constants.HF_HUB_OFFLINE:
        return f"it is not whole in the cache {cache}, and HF_HUB_OFFLINE is set; unset it to download"
    if not_cached:
        return f"{hub} cannot be reached, and it is not in the cache {cache}; check the connection"
    return f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
