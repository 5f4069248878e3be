"""Programs that earlier runs of the tests have left are a gain and never a danger."""

import jax
import numpy as np
import pytest
from jax.experimental.compilation_cache import compilation_cache


@pytest.fixture
def folder(tmp_path):
    """A folder of programs that nothing else uses."""
    before = jax.config.jax_compilation_cache_dir
    jax.config.update("jax_compilation_cache_dir", str(tmp_path))
    compilation_cache.reset_cache()
    yield tmp_path
    jax.monitoring.clear_event_listeners()
    jax.config.update("jax_compilation_cache_dir", before)
    compilation_cache.reset_cache()


@pytest.mark.parametrize("kept", [1, 0.5, 0], ids=["whole", "half", "empty"])
def test_a_damaged_program_is_compiled_again(folder, kept):
    def value():
        return jax.jit(lambda x: 3 * x + 1)(np.float32(2))

    assert value() == 7
    programs = list(folder.glob("*-cache"))
    assert programs
    reused = []
    jax.monitoring.register_event_listener(
        lambda event, **_: reused.append(event) if event.endswith("/cache_hits") else 0
    )
    for program in programs:
        content = program.read_bytes()
        program.write_bytes(content[: int(kept * len(content))])
    assert value() == 7
    assert bool(reused) == (kept == 1)
