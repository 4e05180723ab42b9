"""Says once, within the first seconds of a stream, when its bytes are not what the client says they are.

Wrong claims are worse than none: each rule was set on the far side of what thousands of seconds of speech and noise in
correct formats ever show (tests/transcription/test_diagnosis.py).
"""

from transcription.diagnosis.diagnosis import Diagnosis
from transcription.diagnosis.findings import FINDING_CODES, Finding

__all__ = ["FINDING_CODES", "Diagnosis", "Finding"]
