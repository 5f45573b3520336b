//! The libraries in C: lz4 1.10, zstd 1.5.7 at level 3, zlib-ng at level 6. Contexts and room are used again.

use std::ffi::{c_char, c_int, c_void};
use std::ptr::null_mut;

use libz_ng_sys as z;

/// What milena compresses in one block of an lz4 frame.
const BLOCK: usize = 64 * 1024;
/// The magic number, independent blocks without checksums, 64 KiB at most, the header's checksum.
const FRAME_HEADER: &[u8; 7] = b"\x04\x22\x4d\x18\x60\x40\x82";
/// End with the stream.
const FINISH: c_int = 4;
const STREAM_END: c_int = 1;
/// The largest window, and a gzip header.
const GZIP_WINDOW: c_int = 31;

unsafe extern "C" {
    fn LZ4_sizeofState() -> c_int;
    fn LZ4_compress_fast_extState(
        state: *mut c_void,
        source: *const c_char,
        target: *mut c_char,
        len: c_int,
        room: c_int,
        acceleration: c_int,
    ) -> c_int;
    fn zng_deflateInit2(
        stream: *mut z::z_stream,
        level: c_int,
        method: c_int,
        window: c_int,
        memory: c_int,
        strategy: c_int,
    ) -> c_int;
    fn zng_inflateInit2(stream: *mut z::z_stream, window: c_int) -> c_int;
    fn calloc(count: usize, size: usize) -> *mut c_void;
    fn free(memory: *mut c_void);
}

/// A codec in C. Both ways return how much of `out` they have written.
pub(crate) trait Codec {
    fn compress(&mut self, input: &[u8], out: &mut [u8]) -> usize;
    fn decompress(&mut self, input: &[u8], out: &mut [u8]) -> usize;
}

pub(crate) struct Lz4 {
    state: Vec<u64>,
}

impl Lz4 {
    pub(crate) fn new() -> Self {
        // SAFETY: asks for a number.
        let size = unsafe { LZ4_sizeofState() };
        Self {
            state: vec![0; size as usize / 8 + 1],
        }
    }

    fn block(&mut self, input: &[u8], out: &mut [u8]) -> usize {
        // SAFETY: the state is as large as was asked for, and aligned; both slices are as long as is said.
        let written = unsafe {
            LZ4_compress_fast_extState(
                self.state.as_mut_ptr().cast(),
                input.as_ptr().cast(),
                out.as_mut_ptr().cast(),
                input.len() as c_int,
                out.len() as c_int,
                1,
            )
        };
        assert!(written > 0);
        written as usize
    }
}

impl Codec for Lz4 {
    fn compress(&mut self, input: &[u8], out: &mut [u8]) -> usize {
        out[..FRAME_HEADER.len()].copy_from_slice(FRAME_HEADER);
        let mut at = FRAME_HEADER.len();
        for part in input.chunks(BLOCK) {
            let written = self.block(part, &mut out[at + 4..]);
            out[at..at + 4].copy_from_slice(&(written as u32).to_le_bytes());
            at += 4 + written;
        }
        out[at..at + 4].fill(0);
        at + 4
    }

    fn decompress(&mut self, input: &[u8], out: &mut [u8]) -> usize {
        let mut rest = &input[FRAME_HEADER.len()..input.len() - 4];
        let mut at = 0;
        while let Some((len, after)) = rest.split_first_chunk::<4>() {
            let (block, after) = after.split_at(u32::from_le_bytes(*len) as usize);
            let end = out.len().min(at + BLOCK);
            let room = &mut out[at..end];
            // SAFETY: both slices are as long as is said.
            let written = unsafe {
                lz4_sys::LZ4_decompress_safe(
                    block.as_ptr().cast(),
                    room.as_mut_ptr().cast(),
                    block.len() as c_int,
                    room.len() as c_int,
                )
            };
            assert!(written >= 0);
            at += written as usize;
            rest = after;
        }
        at
    }
}

pub(crate) struct Zstd {
    compress: zstd_safe::CCtx<'static>,
    decompress: zstd_safe::DCtx<'static>,
}

impl Zstd {
    pub(crate) fn new() -> Self {
        let mut compress = zstd_safe::CCtx::create();
        let level = zstd_safe::CParameter::CompressionLevel(3);
        compress.set_parameter(level).expect("a level it has");
        Self {
            compress,
            decompress: zstd_safe::DCtx::create(),
        }
    }
}

impl Codec for Zstd {
    fn compress(&mut self, input: &[u8], out: &mut [u8]) -> usize {
        self.compress.compress2(out, input).expect("has room")
    }

    fn decompress(&mut self, input: &[u8], out: &mut [u8]) -> usize {
        self.decompress.decompress(out, input).expect("well formed")
    }
}

pub(crate) struct Gzip {
    deflate: Box<z::z_stream>,
    inflate: Box<z::z_stream>,
}

impl Gzip {
    pub(crate) fn new() -> Self {
        let (mut deflate, mut inflate) = (Box::new(stream()), Box::new(stream()));
        // SAFETY: both are as streams are before they are set up, and stay where they are.
        let (deflating, inflating) = unsafe {
            (
                zng_deflateInit2(&mut *deflate, 6, 8, GZIP_WINDOW, 8, 0),
                zng_inflateInit2(&mut *inflate, GZIP_WINDOW),
            )
        };
        assert_eq!((deflating, inflating), (0, 0));
        Self { deflate, inflate }
    }
}

fn stream() -> z::z_stream {
    z::z_stream {
        next_in: null_mut(),
        avail_in: 0,
        total_in: 0,
        next_out: null_mut(),
        avail_out: 0,
        total_out: 0,
        msg: null_mut(),
        state: null_mut(),
        zalloc: allocate,
        zfree: release,
        opaque: null_mut(),
        data_type: 0,
        adler: 0,
        reserved: 0,
    }
}

extern "C" fn allocate(_: *mut c_void, count: u32, size: u32) -> *mut c_void {
    // SAFETY: any sizes will do.
    unsafe { calloc(count as usize, size as usize) }
}

extern "C" fn release(_: *mut c_void, memory: *mut c_void) {
    // SAFETY: it comes from `allocate`.
    unsafe { free(memory) }
}

/// Lets `stream` read `input` and write `out`.
fn aim(stream: &mut z::z_stream, input: &[u8], out: &mut [u8]) {
    stream.next_in = input.as_ptr().cast_mut();
    stream.avail_in = input.len() as _;
    stream.next_out = out.as_mut_ptr();
    stream.avail_out = out.len() as _;
}

impl Codec for Gzip {
    fn compress(&mut self, input: &[u8], out: &mut [u8]) -> usize {
        // SAFETY: set up above; the slices outlive the call.
        unsafe {
            z::deflateReset(&mut *self.deflate);
            aim(&mut self.deflate, input, out);
            assert_eq!(STREAM_END, z::deflate(&mut *self.deflate, FINISH));
        }
        out.len() - self.deflate.avail_out as usize
    }

    fn decompress(&mut self, input: &[u8], out: &mut [u8]) -> usize {
        // SAFETY: set up above; the slices outlive the call.
        unsafe {
            z::inflateReset(&mut *self.inflate);
            aim(&mut self.inflate, input, out);
            assert_eq!(STREAM_END, z::inflate(&mut *self.inflate, FINISH));
        }
        out.len() - self.inflate.avail_out as usize
    }
}
