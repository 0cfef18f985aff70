//! How much room is left where the server writes.

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// The room on a file system, in bytes, as whoever is no root may use it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Of the file system: two paths on one have the same.
    pub device: u64,
    pub used: u64,
    pub free: u64,
    /// Whether a file can be made at all: some file systems have a number of them.
    pub has_inodes: bool,
}

impl Room {
    /// Of what can be used, how much is, as `df` says it: 0 to 100.
    pub fn used_percent(&self) -> f64 {
        let all = self.used.saturating_add(self.free).max(1);
        100.0 * self.used as f64 / all as f64
    }
}

/// The room on the file system of a path; relative ones begin at the data directory.
///
/// # Errors
/// Those of the operating system.
pub fn room(path: &Path) -> std::io::Result<Room> {
    let device = std::fs::metadata(path)?.dev();
    let name = CString::new(path.as_os_str().as_bytes())?;
    let mut told = std::mem::MaybeUninit::<libc::statvfs>::zeroed();
    // SAFETY: a C string and room for the answer, which is read only if the call went well.
    let told = unsafe {
        if libc::statvfs(name.as_ptr(), told.as_mut_ptr()) != 0 {
            return Err(std::io::Error::last_os_error());
        }
        told.assume_init()
    };
    let block = told.f_frsize;
    Ok(Room {
        device,
        used: told.f_blocks.saturating_sub(told.f_bfree).saturating_mul(block),
        free: told.f_bavail.saturating_mul(block),
        has_inodes: told.f_files == 0 || told.f_favail > 0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_system_is_told_in_bytes_and_percent() {
        let here = room(Path::new(".")).unwrap();
        assert!(here.used + here.free > 1_000_000, "{here:?}");
        assert!((0.0..=100.0).contains(&here.used_percent()), "{here:?}");
        assert!(room(Path::new("/no/such/place")).is_err());
        let full = Room { free: 0, ..here };
        assert!((full.used_percent() - 100.0).abs() < 0.001);
    }
}
