//! Transport of photons through the scintillator and the capsule.
//!
//! All photons of a chunk move together, one interaction per pass. A pass treats a photon without branches that
//! cannot be predicted, so that the processor works on several photons at a time: it flies, it scatters, its electron
//! gives light, and it is kept or it joins those that have ended. What is rare (the way may cross the capsule; a
//! photo-effect; a pair) goes to plain code that follows one photon until it is back in the scintillator or gone.

use super::attenuation::PAIR_THRESHOLD_MEV;
use super::capsule::{Capsule, Region};
use super::constants::ELECTRON_MASS_MEV;
use super::detector::Detector;
use super::light::{Deposit, Light};
use super::low_energy::LOWEST_PHOTON_MEV;
use super::stream::{Stream, turned};

/// A photon in flight.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Photon {
    /// Position, cm, from the centre of the capsule.
    pub(crate) position: [f64; 3],
    /// Direction, a unit vector.
    pub(crate) direction: [f64; 3],
    /// Energy, MeV.
    pub(crate) energy: f64,
    /// Entry of the chunk that gets its light.
    pub(crate) entry: u32,
}

/// What a scattered, photo or pair interaction in the capsule or the scintillator leaves behind.
enum Fate {
    /// It goes on, in this region.
    Scattered(Region),
    /// It is gone.
    Absorbed,
}

/// Photon transport in one detector, around one capsule, at one kB.
pub(crate) struct PhotonTransport<'a> {
    pub(crate) detector: &'a Detector,
    pub(crate) light: &'a Light,
    pub(crate) capsule: Capsule,
    /// Energy below which photons in the scintillator are not followed, MeV.
    pub(crate) cut: f64,
}

/// Photons of a chunk.
#[derive(Default)]
pub(crate) struct PhotonPool {
    /// Those in the scintillator, about to fly.
    flying: Vec<Photon>,
    /// Photons that start in the steel.
    inside: Vec<Photon>,
    /// Photons that start in the PTFE.
    between: Vec<Photon>,
    /// (entry, energy) of those that are not followed any more.
    ended: Vec<(u32, f64)>,
}

impl PhotonTransport<'_> {
    /// Starts a photon in the scintillator or in the capsule.
    pub(crate) fn start(&self, photon: Photon, region: Region, pool: &mut PhotonPool, deposits: &mut [Deposit]) {
        match region {
            Region::Scintillator => self.admit(photon, &mut pool.flying, deposits),
            Region::Steel => pool.inside.push(photon),
            Region::Ptfe => pool.between.push(photon),
        }
    }

    /// Moves all photons of the pool until none is left.
    pub(crate) fn finish(&self, pool: &mut PhotonPool, deposits: &mut [Deposit], stream: &mut Stream) {
        self.leave(pool, deposits, stream);
        while !pool.flying.is_empty() {
            self.pass(pool, deposits, stream);
        }
    }

    /// First flight of the photons that start in the capsule. Those that reach its surface stand there, about to fly:
    /// an exponential path has no memory.
    fn leave(&self, pool: &mut PhotonPool, deposits: &mut [Deposit], stream: &mut Stream) {
        let PhotonPool { inside, between, flying, .. } = pool;
        for photon in inside.drain(..) {
            let depth = self.detector.shapes.depth(stream);
            let along = dot(photon.position, photon.direction);
            let radius2 = dot(photon.position, photon.position);
            let steel = self.capsule.exit(self.capsule.steel_cm, along, radius2);
            let surface = self.capsule.exit(self.capsule.ptfe_cm, along, radius2);
            let thickness = steel / self.detector.steel.at(photon.energy).mean_free_path
                + (surface - steel) / self.detector.ptfe.at(photon.energy).mean_free_path;
            if depth >= thickness {
                flying.push(Photon { position: moved(photon.position, photon.direction, surface), ..photon });
            } else {
                self.follow(photon, Region::Steel, Some(depth), flying, deposits, stream);
            }
        }
        for photon in between.drain(..) {
            self.follow(photon, Region::Ptfe, None, flying, deposits, stream);
        }
    }

    /// One interaction of every photon in the pool.
    fn pass(&self, pool: &mut PhotonPool, deposits: &mut [Deposit], stream: &mut Stream) {
        let PhotonPool { flying, ended, .. } = pool;
        let count = flying.len();
        ended.resize(ended.len().max(count), (0, 0.0));
        let (mut kept, mut ends) = (0, 0);
        let radius2 = self.capsule.ptfe_cm * self.capsule.ptfe_cm;
        let shapes = &self.detector.shapes;
        for i in 0..count {
            let photon = flying[i];
            let depth = shapes.depth(stream);
            let along = dot(photon.position, photon.direction);
            let chord2 = along * along - (dot(photon.position, photon.position) - radius2);
            // One branch, not two: the sign of `along` alone is a coin toss.
            if (along < 0.0) & (chord2 > 0.0) {
                self.walk(i, Region::Scintillator, depth, flying, deposits, stream);
                continue;
            }
            let attenuation = self.detector.scintillator.at(photon.energy);
            let path = depth * attenuation.mean_free_path;
            let position = moved(photon.position, photon.direction, path);
            let process = stream.uniform();
            if process >= attenuation.compton && self.absorbed(i, path, process, flying, deposits, stream) {
                continue;
            }
            let bend = self.detector.compton.sample(photon.energy, stream.bits());
            let energy = photon.energy / (1.0 + photon.energy * (1.0 / ELECTRON_MASS_MEV) * bend);
            self.light.add_electron(photon.energy - energy, &mut deposits[photon.entry as usize]);
            let direction = turned(photon.direction, 1.0 - bend, shapes.azimuth(stream));
            flying[kept] = Photon { position, direction, energy, entry: photon.entry };
            ended[ends] = (photon.entry, energy);
            let goes_on = energy >= self.cut;
            kept += usize::from(goes_on);
            ends += usize::from(!goes_on);
        }
        for &(entry, energy) in &ended[..ends] {
            self.light.add_photon(energy, &mut deposits[entry as usize]);
        }
        flying.drain(kept..count);
    }

    /// Photo-effect or pair production of photon `index` in the scintillator; false if it is neither after all.
    #[cold]
    #[inline(never)]
    fn absorbed(
        &self,
        index: usize,
        path: f64,
        process: f64,
        flying: &mut Vec<Photon>,
        deposits: &mut [Deposit],
        stream: &mut Stream,
    ) -> bool {
        let photon = flying[index];
        let attenuation = self.detector.scintillator.at(photon.energy);
        let deposit = &mut deposits[photon.entry as usize];
        if process < attenuation.compton_or_photo {
            self.light.add_electron(photon.energy, deposit);
            return true;
        }
        if photon.energy <= PAIR_THRESHOLD_MEV {
            return false;
        }
        let kinetic = photon.energy - PAIR_THRESHOLD_MEV;
        let share = stream.uniform();
        self.light.add_electron(kinetic * share, deposit);
        self.light.add_electron(kinetic * (1.0 - share), deposit);
        let position = moved(photon.position, photon.direction, path);
        for annihilation in self.annihilation(position, photon.entry, stream) {
            self.admit(annihilation, flying, deposits);
        }
        true
    }

    /// Two back-to-back photons of a positron at rest at `position`.
    pub(crate) fn annihilation(&self, position: [f64; 3], entry: u32, stream: &mut Stream) -> [Photon; 2] {
        let direction = self.detector.shapes.direction(stream);
        let photon = |direction| Photon { position, direction, energy: ELECTRON_MASS_MEV, entry };
        [photon(direction), photon(direction.map(|x| -x))]
    }

    /// A photon that stands in the scintillator: into the pool, or its light at once if it is not followed.
    fn admit(&self, photon: Photon, flying: &mut Vec<Photon>, deposits: &mut [Deposit]) {
        if photon.energy >= self.cut {
            flying.push(photon);
        } else {
            self.light.add_photon(photon.energy, &mut deposits[photon.entry as usize]);
        }
    }

    /// Follows photon `index` of the pool, whose way may cross the capsule; takes it by index, so that the pass
    /// keeps its photon in registers.
    #[cold]
    #[inline(never)]
    fn walk(
        &self,
        index: usize,
        region: Region,
        depth: f64,
        flying: &mut Vec<Photon>,
        deposits: &mut [Deposit],
        stream: &mut Stream,
    ) {
        let photon = flying[index];
        self.follow(photon, region, Some(depth), flying, deposits, stream);
    }

    /// Follows one photon, wherever it is, until it has scattered in the scintillator or is gone. `depth` is the
    /// optical depth to its next interaction, if that is drawn already.
    fn follow(
        &self,
        mut photon: Photon,
        mut region: Region,
        mut depth: Option<f64>,
        flying: &mut Vec<Photon>,
        deposits: &mut [Deposit],
        stream: &mut Stream,
    ) {
        loop {
            let depth = depth.take().unwrap_or_else(|| self.detector.shapes.depth(stream));
            region = self.fly(&mut photon, region, depth);
            match self.interact(&mut photon, region, flying, deposits, stream) {
                Fate::Absorbed => return,
                Fate::Scattered(Region::Scintillator) => return self.admit(photon, flying, deposits),
                Fate::Scattered(Region::Steel | Region::Ptfe) if photon.energy < LOWEST_PHOTON_MEV => return,
                Fate::Scattered(inside) => region = inside,
            }
        }
    }

    /// Moves a photon by `depth` mean free paths, through all regions on its way; gives the region where it ends.
    fn fly(&self, photon: &mut Photon, mut region: Region, mut depth: f64) -> Region {
        loop {
            let path = depth * self.material(region).at(photon.energy).mean_free_path;
            let along = dot(photon.position, photon.direction);
            let boundary = self.capsule.boundary(region, along, dot(photon.position, photon.position));
            match boundary {
                Some((distance, next)) if distance < path => {
                    photon.position = moved(photon.position, photon.direction, distance);
                    depth *= 1.0 - distance / path;
                    region = next;
                }
                _ => {
                    photon.position = moved(photon.position, photon.direction, path);
                    return region;
                }
            }
        }
    }

    fn material(&self, region: Region) -> &super::attenuation::Material {
        match region {
            Region::Steel => &self.detector.steel,
            Region::Ptfe => &self.detector.ptfe,
            Region::Scintillator => &self.detector.scintillator,
        }
    }

    /// One interaction in any region.
    fn interact(
        &self,
        photon: &mut Photon,
        region: Region,
        flying: &mut Vec<Photon>,
        deposits: &mut [Deposit],
        stream: &mut Stream,
    ) -> Fate {
        let attenuation = self.material(region).at(photon.energy);
        let process = stream.uniform();
        let deposit = &mut deposits[photon.entry as usize];
        if process >= attenuation.compton_or_photo && photon.energy > PAIR_THRESHOLD_MEV {
            let kinetic = photon.energy - PAIR_THRESHOLD_MEV;
            let share = stream.uniform();
            self.add_electron(photon, region, kinetic * share, photon.direction, deposit);
            self.add_electron(photon, region, kinetic * (1.0 - share), photon.direction, deposit);
            for annihilation in self.annihilation(photon.position, photon.entry, stream) {
                match region {
                    Region::Scintillator => self.admit(annihilation, flying, deposits),
                    inside => self.follow(annihilation, inside, None, flying, deposits, stream),
                }
            }
            return Fate::Absorbed;
        }
        if process >= attenuation.compton && process < attenuation.compton_or_photo {
            self.add_electron(photon, region, photon.energy, photon.direction, deposit);
            return Fate::Absorbed;
        }
        let bend = self.detector.compton.sample(photon.energy, stream.bits());
        let energy = photon.energy / (1.0 + photon.energy * (1.0 / ELECTRON_MASS_MEV) * bend);
        let direction = turned(photon.direction, 1.0 - bend, self.detector.shapes.azimuth(stream));
        let recoil = std::array::from_fn(|i| photon.energy * photon.direction[i] - energy * direction[i]);
        self.add_electron(photon, region, photon.energy - energy, recoil, deposit);
        photon.energy = energy;
        photon.direction = direction;
        Fate::Scattered(region)
    }

    /// An electron born at the photon's position along `momentum` (any length): in the capsule it gives light only
    /// for what it has left when it reaches the scintillator.
    fn add_electron(&self, photon: &Photon, region: Region, t: f64, momentum: [f64; 3], deposit: &mut Deposit) {
        if region == Region::Scintillator {
            return self.light.add_electron(t, deposit);
        }
        let length = dot(momentum, momentum).sqrt();
        let along = dot(photon.position, momentum) / length;
        let radius2 = dot(photon.position, photon.position);
        if let Some(t) = self.detector.escape.residual(&self.capsule, region, t, along, radius2) {
            self.light.add_electron(t, deposit);
        }
    }
}

#[inline(always)]
fn dot(a: [f64; 3], b: [f64; 3]) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

#[inline(always)]
fn moved(position: [f64; 3], direction: [f64; 3], path: f64) -> [f64; 3] {
    std::array::from_fn(|i| position[i] + direction[i] * path)
}
