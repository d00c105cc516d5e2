#!/usr/bin/env python3
"""The table of accuracy budgets in docs/measured.md: what a budget saves, and what it costs on samples that picc never saw.

usage: budget.py --shared DIR [--models a,b] [--points 0.5 | --agreement 98] [--confidence 95] [--bin target/release]

DIR is as for measure.py. Two of three labelled samples (CIFAR: both sets of test images together) go to picc, the third
is kept from it. For each model: bytes of the uniform 37-bit lowering, of the default and of the budget's program, picc's
bound of the loss, and right answers on the kept samples: onnxruntime's, and the mean of three runs of the reference with
the errors of private runs. With --agreement picc gets no labels, and onnxruntime's answers on the kept samples are the
right ones. Prints one Markdown row a model."""
import argparse, json, tempfile
import numpy as np
import onnxruntime as ort
from measure import more_inputs, preprocessing, run


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument('--shared', required=True)
    a.add_argument('--models', default='mnist_tfe_b_cnn,cifar10_resnet_4b,cifar10_resnet20,cifar10_resnet32')
    a.add_argument('--points', default='0.5')
    a.add_argument('--agreement')
    a.add_argument('--confidence', default='95')
    a.add_argument('--picc', default='')
    a.add_argument('--bin', default='target/release')
    o = a.parse_args()
    ort.set_default_logger_severity(3)
    print('| model | labels | uniform MB | default MB | budget MB | uniform / budget | loss, picc\'s bound | kept | float % | budget % |')
    print('|---' * 10 + '|')
    root, index, prep = preprocessing(o.shared)
    for name in o.models.split(','):
        file = f'{root}/models/{name}.onnx'
        rows = [row for row in (index[name], more_inputs(index[name])) if row]
        x, y = (np.concatenate(part) for part in zip(*(prep(root, row, None) for row in rows)))
        kept = np.arange(len(x)) % 3 == 2
        session = ort.InferenceSession(file)
        feed = session.get_inputs()[0].name
        answers = np.array([session.run(None, {feed: v[None]})[0].argmax() for v in x[kept]])
        if o.agreement:
            y[kept] = answers
        float_right = answers == y[kept]
        with tempfile.TemporaryDirectory() as t:
            def save(part, x, y):
                np.save(f'{t}/{part}_x.npy', x)
                np.save(f'{t}/{part}_y.npy', y.astype(np.int64))
            save('given', x[~kept], y[~kept])
            save('kept', x[kept], y[kept])
            np.save(f'{t}/few.npy', x[~kept][:16])

            def compiled(calibration, *options):
                run(f'{o.bin}/picc', file, '-o', f'{t}/m.pi', '--calibrate', f'{t}/{calibration}.npy', '--quiet',
                    *options, *o.picc.split())
                cost = json.loads(run(f'{o.bin}/picc', 'inspect', f'{t}/m.pi', '--json'))['inference']
                return (cost['client_to_server'] + cost['server_to_client']) / 1e6
            uniform = compiled('few', '--ring', '37', '--frac', '12', '--exact', '--softspoken', '4')
            default = compiled('few')
            wanted = (['--min-agreement', o.agreement] if o.agreement else
                      ['--labels', f'{t}/given_y.npy', '--max-accuracy-drop', o.points])
            budget = compiled('given_x', *wanted, '--confidence', o.confidence)
            explained = json.loads(run(f'{o.bin}/picc', 'explain', f'{t}/m.pi', '--json'))['accuracy']
            right = []
            for seed in (1, 2, 3):
                out = run(f'{o.bin}/pirun', 'reference', f'{t}/m.pi', '--weights', f'{t}/m.piw', '--input',
                          f'{t}/kept_x.npy', '--labels-npy', f'{t}/kept_y.npy', '--errors', str(seed), '--json')
                right.append(json.loads(out)['accuracy'] * 100)
            print(f'| {name} | {(~kept).sum()} | {uniform:.2f} | {default:.2f} | {budget:.2f} | {uniform / budget:.2f} | '
                  f"{explained['held_out']['bound_points']:.2f} | {kept.sum()} | {float_right.mean() * 100:.2f} | "
                  f'{np.mean(right):.2f} |', flush=True)


if __name__ == '__main__':
    main()
