//! Texts of `--help`.

pub const AFTER: &str = "\
Examples:
  pirun local model.pi --weights model.piw --input x.npy
      Both parties in this process, connected by memory only.
  pirun local model.pi --weights model.piw --input photo.png --network wan --json
      The same over an emulated wide-area network, with a table of costs.
  pirun bench model.pi --weights model.piw
      What a private inference takes on three networks, and where the time goes.
  pirun keygen --out clinic.key
      A key for this party, once; the other party needs the fingerprint that it prints.
  pirun serve model.pi --weights model.piw --listen 0.0.0.0:7700 --identity provider.key --client-key sha256:...
  pirun infer model.pi --server example.org:7700 --identity clinic.key --server-key sha256:... --input photo.png
      The two parties on two machines. Only the server has model.piw.
  pirun reference model.pi --weights model.piw --input test.npz --labels-npy y.npy
      No cryptography: what the program means, on many inputs.
  pirun calibrate -o this-machine.toml
      What this machine takes for each kind of work, for `picc --profile this-machine.toml`.

Exit codes:
  0  done
  1  the run failed (a program that is refused, weights of another program, a promise that was not kept, a bug)
  2  usage: the command line, an input that does not fit the program, or an output that may not be written
  3  the connection failed, or the other party broke the protocol
  4  the parties do not agree: other program, other parameters, other version, or not the key that was expected
  5  the server refuses for now: busy, shutting down, or a limit of the session is reached";

pub const CALIBRATE: &str = "\
Examples:
  pirun calibrate -o this-machine.toml
      Unit costs of this machine, on the network of profile lan. Some seconds; let nothing else run meanwhile.
  picc model.onnx -o model.pi --profile this-machine.toml
      Compile for it: rewrites, protocols and the field of the OT extension that are cheapest here.
  pirun calibrate --listen 0.0.0.0:7701          on the server's machine, and on the client's:
  pirun calibrate -o clinic.toml --peer example.org:7701
      The network too: round trip, and bandwidth each way.
  pirun calibrate -o phone.toml --profile mobile --threads 2 --up 5Mbit
      The network of a built-in profile, with another uplink.

The file can be edited: what it leaves out of [unit] is the default; source = 'softspoken k=4' (or 1, 2, 8) fixes the
field of the OT extension. Both parties are taken to be like this machine; the slower one is what counts.";
