"""A program: a small network writes in blocks of words, as a GPU has it, in every way.

The log on the standard error has a line with the name of each way, and then one for each function that is compiled.
"""

import sys

import numpy as np

WORDS = 3  # of a block


def main() -> None:
    """Write."""
    from tienet import devices

    devices.gpu_computes = lambda: True
    devices.arithmetic = lambda: "CPU"
    import tensorflow as tf
    from small_writer import MAX, B, Net, V

    from tienet.data.text import END
    from tienet.modeling import candidates, generate
    from tienet.modeling.decoding import Decoding
    from tienet.modeling.lstm import way

    way.WORDS = WORDS
    assert MAX > 2 * WORDS
    net = Net()
    with net.graph.as_default():
        net.set("word_softmax/b", -1e9 * tf.one_hot(END, V))  # no report ends before MAX words
        words, lengths, keys = np.full((B, MAX + 1), 5, np.int32), np.full(B, MAX + 1, np.int32), np.arange(B)
        consistent = Decoding("consistent", MAX, candidates=3, no_repeat=3)
        ways = {
            "greedy": lambda: generate.write(net.decoder, Decoding("greedy", MAX, no_repeat=3)),
            "impression": lambda: generate.write(
                net.decoder, Decoding("greedy", MAX, findings_penalty=3.0, findings_words=3, impression=5)
            ),
            "sample": lambda: generate.write(net.decoder, Decoding("sample", MAX, no_repeat=2)),
            "beam": lambda: generate.write(net.decoder, Decoding("beam", MAX, width=3)),
            "consistent": lambda: candidates.write_candidates(net.decoder, consistent, tf.constant(keys, tf.int64)),
            "given": lambda: generate.force(net.decoder, tf.constant(words), tf.constant(lengths), MAX),
        }
        for name, write in ways.items():
            print(f"WAY {name}", file=sys.stderr, flush=True)
            found = net.run(write())
            assert found.word_len.max() == MAX + 1, found.word_len
    net.close()


if __name__ == "__main__":
    main()
