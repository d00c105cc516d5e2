#!/usr/bin/env python3
"""The tables of docs/measured.md: compiles real models, runs them privately, compares with onnxruntime.

usage: measure.py --shared DIR [--models a,b] [--n 1000] [--private 20] [--networks lan,wan] [--bin target/release]

DIR holds models/ (index.tsv, models/, inputs/) and tools/verify.py, whose preprocessing is used. Needs numpy and
onnxruntime. For each model: the interpreter's argmax against onnxruntime's on up to N inputs, that of PRIVATE private
runs, and one private run for each network, both parties on this machine. Prints one Markdown row a model."""
import argparse, json, subprocess, sys, tempfile
import numpy as np
import onnxruntime as ort

DEFAULT = ('mnist_fc_256x2,mnist_cntk,mnist_convnet_maxpool,mnist_heir_lenet5,mnist_tfe_b_cnn,pneumonia_vggsmall,'
           'cifar10_marabou_large,cifar10_resnet_4b,cifar10_resnet8_mlctiny,cifar10_vggsmall_base,'
           'cifar10_minionn_relu6,cifar10_resnet20,cifar10_resnet32,fer_mini_xception')


def run(*command):
    r = subprocess.run(command, capture_output=True, text=True)
    if r.returncode:
        sys.exit(f"{' '.join(command)}\n{r.stderr}{r.stdout}")
    return r.stdout


def preprocessing(shared):
    """The folder of models, its index, and verify.py's function that prepares inputs."""
    # verify.py is a program: everything but its last line, which runs it.
    source = open(f'{shared}/tools/verify.py').read().rstrip().removesuffix('\nmain()')
    names = {'__file__': f'{shared}/tools/verify.py', '__name__': 'verify'}
    exec(compile(source, 'verify.py', 'exec'), names)
    return *names['index'](f'{shared}/models'), names['prep']


def more_inputs(row):
    """The lossless set of CIFAR images is small: the row of the other one; None for other models."""
    if 'cifar10_x.npy' in row[5]:
        return [c.replace('cifar10_x.npy', 'cifar10_jpeg_x.npy') for c in row]


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument('--shared', required=True)
    a.add_argument('--models', default=DEFAULT)
    a.add_argument('--n', type=int, default=1000)
    a.add_argument('--private', type=int, default=20)
    a.add_argument('--networks', default='lan,wan')
    a.add_argument('--calib', type=int, default=16)
    a.add_argument('--picc', default='')
    a.add_argument('--bin', default='target/release')
    o = a.parse_args()
    ort.set_default_logger_severity(3)
    root, index, prep = preprocessing(o.shared)
    networks = [n for n in o.networks.split(',') if n]
    print('| model | MB up | MB down | rounds | ' + ''.join(f'{n} s | ' for n in networks) +
          'peak MB | interpreter = float | private = float |')
    print('|---' * (7 + len(networks)) + '|')
    for name in o.models.split(','):
        file = f'{root}/models/{name}.onnx'
        # Inputs for calibration come after those that are tested, where there are enough.
        x, _ = prep(root, index[name], o.n + o.calib)
        calib, x = x[-o.calib:], x[:max(1, min(o.n, len(x) - o.calib))]
        more = more_inputs(index[name])
        if len(x) < o.n and more:
            x = np.concatenate([x, prep(root, more, o.n - len(x))[0]])
        session = ort.InferenceSession(file)
        feed = session.get_inputs()[0].name
        want = np.array([session.run(None, {feed: x[k:k + 1]})[0].argmax() for k in range(len(x))])
        with tempfile.TemporaryDirectory() as t:
            np.savez(f'{t}/calib.npz', input=calib)
            np.save(f'{t}/x.npy', x)
            np.save(f'{t}/y.npy', want)
            np.save(f'{t}/few.npy', x[:o.private])
            np.save(f'{t}/one.npy', x[:1])
            run(f'{o.bin}/picc', file, '-o', f'{t}/m.pi', '--calibrate', f'{t}/calib.npz', '--quiet', *o.picc.split())
            program = [f'{t}/m.pi', '--weights', f'{t}/m.piw']
            run(f'{o.bin}/pirun', 'reference', *program, '--input', f'{t}/x.npy', '-o', f'{t}/all.npy')
            got = np.load(f'{t}/all.npy').reshape(len(x), -1).argmax(1)
            agree = f'{(got == want).sum()}/{len(x)}'
            private = ''
            if o.private:
                run(f'{o.bin}/pirun', 'local', *program, '--input', f'{t}/few.npy', '-o', f'{t}/few_out.npy')
                got = np.load(f'{t}/few_out.npy')
                got = got.reshape(min(o.private, len(x)), -1).argmax(1)
                private = f'{(got == want[:len(got)]).sum()}/{len(got)}'
            seconds, j = [], None
            for network in networks:
                out = run(f'{o.bin}/pirun', 'local', *program, '--input', f'{t}/one.npy', '--network', network, '--json')
                j = json.loads(out)
                seconds.append(f"{j['seconds']:.2f}")
            up, down = j['bytes_client_to_server'] / 1e6, j['bytes_server_to_client'] / 1e6
            print(f"| {name} | {up:.2f} | {down:.2f} | {j['rounds']} | {' | '.join(seconds)} | "
                  f"{j['peak_memory_bytes'] / 1e6:.0f} | {agree} | {private} |", flush=True)


if __name__ == '__main__':
    main()
