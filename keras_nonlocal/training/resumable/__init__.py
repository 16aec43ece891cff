"""Training runs that survive being killed at any moment.

The idea: one file, `state.npz`, holds the whole state, and everything else is derived
from it. It contains all that the next step reads: model, optimizer, metrics, random
generators, the counters of callbacks, the position in the epoch and the logs of all
epochs. A new state replaces the old one atomically, so a run always has exactly one
saved state. `last.weights.h5`, `best.weights.h5` and `history.csv` are written after
it. If a process dies in between, the next call loads the state and rewrites them.

- `fit` is the public function: it takes the lock, finds the position and calls Keras's
  `fit`.
- `training_checkpoints` is the callback that saves and restores the state.
- `progress` records how far a run has come and checks which arguments have changed.
- `state_file` defines the format of `state.npz`, `variables` reads the values of a
  model from each replica, and `late_variables` creates the variables that Keras creates
  late.
- `process_state` and `callback_memory` handle the state outside of Keras variables.
"""
