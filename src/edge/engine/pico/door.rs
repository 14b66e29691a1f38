//! The one unsafe place of the crate: calls into Pico's C code, behind a type that keeps its rules.
//!
//! The bindings `ttspico` would spare this file, but never give an engine back, so that each request keeps two files
//! open for ever. Only their lower half, `ttspico-sys`, is used.
#![allow(unsafe_code)]

use std::ffi::CString;
use std::ptr;

use ttspico_sys as native;

/// Memory that Pico works in, bytes. It needs under 4 MiB.
const ARENA_BYTES: usize = 6 << 20;
/// Pico's own name for a voice; each speaker has one voice only.
const VOICE: &[u8] = b"voice\0";

/// What Pico says when it fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("pico refuses to {action} (status {status})")]
pub(super) struct DoorFault {
    action: &'static str,
    status: i32,
}

/// Whether Pico has more to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// All text given so far is spoken.
    Idle,
    /// Ask again.
    Busy,
}

/// One Pico system with one voice and one engine. Not `Send`: it stays on the thread that made it.
///
/// Its rules, kept here: handles are used only while the system lives; an engine is made only from a voice with both
/// resources; everything is given back in reverse order, and the memory last.
pub(super) struct Speaker {
    system: native::pico_System,
    resources: [native::pico_Resource; 2],
    engine: native::pico_Engine,
    /// Zeroed: Pico reads memory that it never wrote, and old content could change samples. `u128` aligns it to 16.
    _arena: Vec<u128>,
}

fn check(action: &'static str, status: native::pico_Status) -> Result<(), DoorFault> {
    // Positive numbers are warnings.
    if status >= native::PICO_OK { Ok(()) } else { Err(DoorFault { action, status }) }
}

impl Speaker {
    /// Loads a voice from the files of its text analysis and its speech generation; paths of at most 500 bytes
    /// ([`super::voices::on_disk`] sees to it).
    pub(super) fn new(ta_path: &str, sg_path: &str) -> Result<Speaker, DoorFault> {
        let mut arena = vec![0u128; ARENA_BYTES / size_of::<u128>()];
        let mut system = ptr::null_mut();
        // SAFETY: the arena has the length told, is aligned to 16, and outlives the system: `Speaker` owns both, and
        // a moved vector keeps its buffer.
        let status = unsafe { native::pico_initialize(arena.as_mut_ptr().cast(), ARENA_BYTES as u32, &mut system) };
        check("start", status)?;
        // From here on `drop` cleans up, whatever fails.
        let null = ptr::null_mut();
        let mut speaker = Speaker { system, resources: [null; 2], engine: ptr::null_mut(), _arena: arena };
        // SAFETY: a live system and a name that ends in zero, under 32 bytes.
        check("define a voice", unsafe { native::pico_createVoiceDefinition(system, VOICE.as_ptr()) })?;
        for (at, path) in [ta_path, sg_path].into_iter().enumerate() {
            speaker.load(at, path)?;
        }
        // SAFETY: a live system; the voice has both of its resources, or `load` would have failed.
        check("speak", unsafe { native::pico_newEngine(system, VOICE.as_ptr(), &mut speaker.engine) })?;
        Ok(speaker)
    }

    fn load(&mut self, at: usize, path: &str) -> Result<(), DoorFault> {
        let bad = DoorFault { action: "read a path", status: native::PICO_ERR_INVALID_ARGUMENT };
        let path = CString::new(path).ok().filter(|path| path.as_bytes().len() <= 500).ok_or(bad)?;
        let mut name = [0u8; native::PICO_RETSTRINGSIZE];
        // SAFETY: a live system, a path that ends in zero and fits Pico's 512 bytes, and room for any name
        // (Pico writes at most 32 bytes).
        unsafe {
            let resource = &mut self.resources[at];
            check("load a voice file", native::pico_loadResource(self.system, path.as_ptr().cast(), resource))?;
            check("name a voice file", native::pico_getResourceName(self.system, *resource, name.as_mut_ptr().cast()))?;
            let added = native::pico_addResourceToVoiceDefinition(self.system, VOICE.as_ptr(), name.as_ptr());
            check("add a voice file", added)
        }
    }

    /// Gives text to speak; a zero byte ends a sentence. Returns the bytes taken, which may be fewer.
    pub(super) fn put(&mut self, text: &[u8]) -> Result<usize, DoorFault> {
        let length = i16::try_from(text.len()).unwrap_or(i16::MAX);
        let mut taken = 0;
        // SAFETY: a live engine, and `length` bytes at most are read.
        check("take text", unsafe { native::pico_putTextUtf8(self.engine, text.as_ptr(), length, &mut taken) })?;
        Ok(usize::try_from(taken).unwrap_or(0))
    }

    /// Fills the buffer with the next samples, 16 000 Hz. Returns how many there are, maybe none.
    pub(super) fn get(&mut self, buffer: &mut [i16]) -> Result<(usize, Step), DoorFault> {
        let bytes = i16::try_from(size_of_val(buffer)).unwrap_or(i16::MAX - 1);
        let (mut written, mut kind) = (0, 0);
        // SAFETY: a live engine, and `bytes` bytes at most are written into the buffer.
        let status =
            unsafe { native::pico_getData(self.engine, buffer.as_mut_ptr().cast(), bytes, &mut written, &mut kind) };
        let count = (usize::try_from(written).unwrap_or(0) / 2).min(buffer.len());
        match status {
            native::PICO_STEP_IDLE => Ok((count, Step::Idle)),
            native::PICO_STEP_BUSY => Ok((count, Step::Busy)),
            status => Err(DoorFault { action: "speak this text", status }),
        }
    }
}

impl Drop for Speaker {
    fn drop(&mut self) {
        // SAFETY: each handle is given back once, in reverse order of making; Pico refuses null handles. Statuses say
        // nothing that could be acted on here.
        unsafe {
            if !self.engine.is_null() {
                native::pico_disposeEngine(self.system, &mut self.engine);
            }
            native::pico_releaseVoiceDefinition(self.system, VOICE.as_ptr());
            for resource in self.resources.iter_mut().rev().filter(|resource| !resource.is_null()) {
                native::pico_unloadResource(self.system, resource);
            }
            native::pico_terminate(&mut self.system);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_would_overrun_the_c_code_stops_at_the_door() {
        assert!(Speaker::new(&"x".repeat(501), "y").is_err());
        assert!(Speaker::new("a\0b", "y").is_err());
    }

    #[test]
    fn files_that_are_no_voices_are_refused() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("en-US_ta.bin");
        std::fs::write(&path, b"no voice at all").expect("writes");
        let path = path.to_str().expect("UTF-8");
        assert!(Speaker::new(path, path).is_err());
        assert!(Speaker::new("/nonexistent/en-US_ta.bin", path).is_err());
    }
}
