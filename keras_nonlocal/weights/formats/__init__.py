"""Readers of checkpoint formats, which neither execute nor trust the files.

The idea: a checkpoint from the internet is untrusted data. A pickle is a program, and a
zip directory or an HDF5 header may state anything. Each reader here is therefore a
small interpreter that supports plain containers, numbers and arrays, and nothing else.

- Nothing that a file names is imported or called. `pickle_machine` runs the operations
  of a pickle against a table of constructors that build data.
- Before a reader allocates memory or loops because of a file, it charges the cost to a
  `Budget` of 64 MiB plus 20 times the size of the file. A file of a few kilobytes that
  declares, repeats or unpacks to gigabytes is rejected, whichever of its fields is
  responsible.
- Every failure raises `MalformedError`, which `read_checkpoint` turns into a
  `CheckpointError` with the path.

`python -m tests.weights.fuzz` attacks the readers with mutated and forged files, each
in a process with limited memory and time.

- `budget`: the limit on memory and time.
- `zip_file`: zip archives, which three formats use.
- `pickle_machine`, `pickle_values`: pickles; `numpy_pickle`: NumPy arrays in pickles.
- `torch_file`, `torch_tensors`: PyTorch's two formats.
- `npz_file`: NumPy's archives.
- `hdf5_file`, `hdf5_chunks`: Keras's `.weights.h5`, `.h5` and `.keras`; `hdf5_process`
  reads them in a child process, because some damaged files crash the HDF5 library
  itself.
"""
