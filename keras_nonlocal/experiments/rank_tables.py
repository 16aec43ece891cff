"""The tables of signals and images, which the paper does not have."""

from keras_nonlocal.experiments.appliances import ApplianceTask
from keras_nonlocal.experiments.digit_pairs import DigitPairTask
from keras_nonlocal.experiments.rank_rows import RankRow, RankTable
from keras_nonlocal.experiments.rows import Claim
from keras_nonlocal.experiments.speakers import SpeakerTask

_NONE = RankRow("no block", "none")
_HIDDEN = RankRow("hidden layer after the average", "hidden")
_MODES = (
    RankRow("Gaussian", "gaussian"),
    RankRow("embedded Gaussian", "embedded_gaussian"),
    RankRow("dot product", "dot_product"),
    RankRow("concatenation", "concatenation"),
)
_OTHERS = (
    RankRow("convolution", "convolution"),
    RankRow("MultiHeadAttention", "attention"),
)
_CLAIMS = (
    *(Claim(row.name, _NONE.name, is_in_paper=False) for row in _MODES),
    *(Claim("embedded Gaussian", row.name, is_in_paper=False) for row in _OTHERS),
)
_ROWS = """\
A network of convolutions sees one {thing} at a time, and averages over all positions
before a linear classifier. Between the convolutions and the average stands nothing, a
non-local block, or in its place a convolution of about the same cost or Keras's
`MultiHeadAttention` with one head as wide as the block. All of them are added to their
input and start as the identity. {hidden}"""
_AFTER_AVERAGE = """\
In the row "{row}", there is no block, but a hidden layer between the average and the
classifier. It can relate what the average over all positions contains."""

SEQUENCES = RankTable(
    "sequences",
    "Does one speaker say both recordings?",
    (_NONE, _HIDDEN, *_MODES, *_OTHERS),
    _CLAIMS,
    task=SpeakerTask(),
    description="""\
A signal contains two recordings of a Japanese vowel, at least 30 steps apart. The class
is whether the same of nine speakers says both, and chance is 50 %. The recordings are
JapaneseVowels (Kudo, Toyama and Shimbo, 1999) from the UEA archive, as packaged in
sktime. The test has its test recordings. """
    + _ROWS.format(thing="recording", hidden=_AFTER_AVERAGE.format(row=_HIDDEN.name)),
    length=2.5,
    batch=4,
)
IMAGES = RankTable(
    "images",
    "Are two digits the same?",
    (_NONE, _HIDDEN, *_MODES, *_OTHERS),
    _CLAIMS,
    task=DigitPairTask(),
    description="""\
An image shows two handwritten digits from 0 to 2, at least 20 pixels apart. The class
is whether they are the same digit, and chance is 50 %. The digits are those of
scikit-learn (Alpaydin and Kaynak, UCI, CC BY 4.0). Others wrote those of the test. The
convolutions learn single digits first. """
    + _ROWS.format(thing="digit", hidden=_AFTER_AVERAGE.format(row=_HIDDEN.name)),
    length=2.5,
    batch=4,
)
APPLIANCES = RankTable(
    "appliances",
    "Which appliance is switched on?",
    (_NONE, *_MODES, *_OTHERS),
    _CLAIMS,
    task=ApplianceTask(),
    description="""\
A signal is the current of one of 11 kinds of appliances. No relation between distant
steps was built in. The currents are PLAID (Gao et al., 2014) from the UCR archive, as
packaged in sktime. The test has its test signals. """
    + _ROWS.format(thing="part of a signal", hidden="").rstrip(),
    length=5.0,
    batch=2,
)
