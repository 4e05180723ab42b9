"""What was truly said, as speakers say: written down beside the final, which never changes, and compared with it."""

from inference.wording import num_wrong, words
from transcription.models import Correction, Segment


def correct(segment: Segment, text: str) -> Correction:
    """Note that `text` was said in `segment`; a former correction of it is replaced."""
    said = words(text)
    figures = {"num_words": len(said), "num_errors": num_wrong(said, words(segment.text))}
    names = {"model": segment.model, "language": segment.language}
    correction, _is_new = Correction.objects.update_or_create(segment=segment, defaults={"text": text, **names, **figures})
    return correction


def withdraw(segment: Segment) -> None:
    """Forget the correction; that there is none is no error."""
    Correction.objects.filter(segment=segment).delete()
