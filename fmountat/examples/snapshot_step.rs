// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A snapshotter's step: mounts an overlay of layers and names the layer at fault. `snapshot_step
//! TARGET LAYER...`
use fmountat::overlay::Overlay;
use fmountat::{CWD, Error, LayerRef, Mounter};

fn main() -> Result<(), Error> {
    let mut arguments = std::env::args_os().skip(1);
    let target = arguments.next().unwrap_or_default();
    let overlay = arguments.fold(Overlay::new(), |overlay, layer| overlay.lower(layer));
    match Mounter::detached().overlay(CWD, &overlay, target) {
        Err(error) if matches!(error.layer(), Some(LayerRef::Lower(_))) => {
            let Some(LayerRef::Lower(number)) = error.layer() else { return Err(error) };
            println!("unpack layer {number} again");
            Err(error)
        }
        done => done,
    }
}
