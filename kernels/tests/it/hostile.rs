//! Buffers that a kernel was not proven for are refused before anything runs.

use picc_ir::kernel::{Access, Affine, Buffer, Index, Inst, Kernel, Lane, Nest, Reg, Step, verify::verify};
use picc_kernels::jit::{BufferRef, Jit, RunError};

fn copy() -> Kernel {
    let index = Index::Affine(Affine::new(0, &[1]));
    let buffer = |name: &str, access| Buffer { name: name.to_owned(), lane: Lane::U32, len: 8, access };
    let finish = vec![Inst::Load { buffer: 0, index: index.clone() }, Inst::Store { buffer: 1, index, a: Reg(0) }];
    Kernel {
        buffers: vec![buffer("from", Access::Read), buffer("to", Access::Write)],
        tables: vec![],
        steps: vec![Step::Nest(Nest { loops: [8][..].into(), finish, ..Nest::default() })],
    }
}

#[test]
fn buffers_that_do_not_fit_are_refused() {
    let kernel = verify(copy()).unwrap();
    let (codes, _) = Jit::with_cache(None).unwrap().compile(&[&kernel]).unwrap();
    let code = &codes[0];
    let (x, long, wide) = ([7u32; 8], [7u32; 9], [7u64; 8]);
    let mut y = [0u32; 8];
    let name = |n: &str| n.to_owned();

    assert_eq!(code.run(&mut []), Err(RunError::Count { expected: 2, found: 0 }));
    assert_eq!(
        code.run(&mut [BufferRef::U32(&x), BufferRef::U32Mut(&mut y), BufferRef::U32(&x)]),
        Err(RunError::Count { expected: 2, found: 3 })
    );
    assert_eq!(
        code.run(&mut [BufferRef::U32(&long), BufferRef::U32Mut(&mut y)]),
        Err(RunError::Length { name: name("from"), expected: 8, found: 9 })
    );
    assert_eq!(
        code.run(&mut [BufferRef::U32(&x), BufferRef::U32Mut(&mut y[..7])]),
        Err(RunError::Length { name: name("to"), expected: 8, found: 7 })
    );
    assert_eq!(
        code.run(&mut [BufferRef::U64(&wide), BufferRef::U32Mut(&mut y)]),
        Err(RunError::Lane { name: name("from"), expected: 32, found: 64 })
    );
    assert_eq!(
        code.run(&mut [BufferRef::U32(&x), BufferRef::U32(&x)]),
        Err(RunError::ReadOnly { name: name("to") })
    );
    assert_eq!(y, [0; 8], "nothing ran");
    code.run(&mut [BufferRef::U32(&x), BufferRef::U32Mut(&mut y)]).unwrap();
    assert_eq!(y, x);
}

/// Pages with kernels in them can be run and read; nothing of the process can be both written and run.
#[cfg(target_os = "linux")]
#[test]
fn no_page_is_writable_and_executable_at_once() {
    let kernel = verify(copy()).unwrap();
    let (codes, _) = Jit::with_cache(None).unwrap().compile(&[&kernel]).unwrap();
    let (x, mut y) = ([7u32; 8], [0u32; 8]);
    codes[0].run(&mut [BufferRef::U32(&x), BufferRef::U32Mut(&mut y)]).unwrap();
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let modes: Vec<&str> = maps.lines().filter_map(|l| l.split(' ').nth(1)).collect();
    // A mapping of no file is where the kernel is.
    let anonymous = |l: &&str| l.split_whitespace().count() == 5;
    assert!(maps.lines().filter(anonymous).any(|l| l.contains(" r-xp ")), "{maps}");
    assert!(!modes.iter().any(|m| m.contains('w') && m.contains('x')), "{maps}");
}
