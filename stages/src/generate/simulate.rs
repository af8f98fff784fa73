//! Simulation of a chunk of decays of one source at one point: emission, transport, response, counting.

use super::alias::Alias;
use super::capsule::{Capsule, Region};
use super::counts::Counts;
use super::detector::Detector;
use super::light::{Deposit, Light};
use super::neutron::{NeutronPool, NeutronTransport};
use super::photon::{Photon, PhotonPool, PhotonTransport};
use super::response::Response;
use super::source::{ChannelDefinition, SourceDefinition};
use super::stream::Stream;

/// Decays per chunk: the unit of random streams. Part of what defines the generated numbers.
pub(crate) const CHUNK_EVENTS: u64 = 1024;

/// A source made ready for sampling in one detector.
pub(crate) struct Emission {
    capsule: Capsule,
    classes: Vec<Class>,
}

struct Class {
    choice: Alias,
    channels: Vec<Channel>,
}

struct Channel {
    definition: ChannelDefinition,
    neutron: Option<Alias>,
}

impl Emission {
    /// Makes the tables of `source`, which must be free of faults.
    pub(crate) fn new(detector: &Detector, source: &SourceDefinition) -> Self {
        let capsule = Capsule {
            steel_cm: source.capsule.steel_cm,
            ptfe_cm: source.capsule.ptfe_cm,
            steel_g_cm3: detector.constants.capsule.steel_g_cm3,
            ptfe_g_cm3: detector.constants.capsule.ptfe_g_cm3,
        };
        let channel = |definition: &ChannelDefinition| {
            let weights: Vec<f64> = definition.neutron_mev.iter().map(|bin| bin.2).collect();
            let neutron = (!weights.is_empty()).then(|| Alias::new(&weights));
            Channel { definition: definition.clone(), neutron }
        };
        let class = |channels: &[ChannelDefinition]| {
            let weights: Vec<f64> = channels.iter().map(|channel| channel.weight).collect();
            Class { choice: Alias::new(&weights), channels: channels.iter().map(channel).collect() }
        };
        Self { capsule, classes: source.entries.iter().map(|entry| class(&entry.channels)).collect() }
    }
}

/// Simulates chunks; holds the memory that they need.
pub(crate) struct Simulator<'a> {
    detector: &'a Detector,
    emission: &'a Emission,
    response: Response<'a>,
    photon: PhotonTransport<'a>,
    neutron: NeutronTransport<'a>,
    photons: PhotonPool,
    neutrons: NeutronPool,
    deposits: Vec<Deposit>,
}

impl<'a> Simulator<'a> {
    /// A simulator of one source at one point.
    pub(crate) fn new(
        detector: &'a Detector,
        light: &'a Light,
        emission: &'a Emission,
        response: Response<'a>,
    ) -> Self {
        let capsule = emission.capsule;
        let cut = detector.constants.transport.photon_table_mev;
        Self {
            detector,
            emission,
            response,
            photon: PhotonTransport { detector, light, capsule, cut },
            neutron: NeutronTransport { detector, light, capsule },
            photons: PhotonPool::default(),
            neutrons: NeutronPool::default(),
            deposits: Vec::new(),
        }
    }

    /// Simulates `events` decays and counts their entries.
    pub(crate) fn chunk(&mut self, events: u64, mut transport: Stream, mut noise: Stream, counts: &mut Counts) {
        self.deposit(events, &mut transport);
        for deposit in &self.deposits {
            counts.add(self.response.npe(deposit, &self.detector.shapes, &mut noise));
        }
    }

    /// Light of every entry of `events` decays, class by class.
    fn deposit(&mut self, events: u64, stream: &mut Stream) {
        let emission = self.emission;
        self.deposits.clear();
        self.deposits.resize(events as usize * emission.classes.len(), Deposit::default());
        let mut entry = 0;
        for class in &emission.classes {
            for _ in 0..events {
                let channel = &class.channels[class.choice.choose(stream)];
                self.emit(channel, entry, stream);
                entry += 1;
            }
        }
        self.neutron.finish(&mut self.neutrons, &mut self.deposits, stream);
        self.photon.finish(&mut self.photons, &mut self.deposits, stream);
    }

    fn emit(&mut self, channel: &Channel, entry: u32, stream: &mut Stream) {
        let definition = &channel.definition;
        if !definition.photons_mev.is_empty() {
            let (radius, region) = self.vertex(definition.captured, stream);
            for &energy in &definition.photons_mev {
                let photon = Photon { position: [0.0, 0.0, radius], direction: slanted(stream), energy, entry };
                self.photon.start(photon, region, &mut self.photons, &mut self.deposits);
            }
        }
        if definition.annihilation {
            let radius = in_sphere(self.detector.constants.transport.annihilation_radius_cm, stream);
            for photon in self.photon.annihilation([0.0, 0.0, radius], entry, stream) {
                self.photon.start(photon, Region::Steel, &mut self.photons, &mut self.deposits);
            }
        }
        if let Some(bins) = &channel.neutron {
            let (low, high, _) = definition.neutron_mev[bins.choose(stream)];
            let energy = low + (high - low) * stream.uniform();
            let Self { photon: transport, photons, neutron, neutrons, deposits, .. } = self;
            neutron.start(energy, entry, neutrons, deposits, stream, |photon, region, deposits| {
                transport.start(photon, region, photons, deposits);
            });
        }
    }

    /// Radius at which photons start, and the region there. The direction of the radius does not matter: everything is
    /// spherically symmetric, and so it is the z axis.
    fn vertex(&self, captured: bool, stream: &mut Stream) -> (f64, Region) {
        let transport = &self.detector.constants.transport;
        if !captured {
            return (in_sphere(transport.source_radius_cm, stream), Region::Steel);
        }
        loop {
            let depth = self.detector.shapes.depth(stream) + self.detector.shapes.depth(stream);
            let radius = transport.capture_scale_cm * depth;
            if radius >= self.emission.capsule.ptfe_cm {
                return (radius, Region::Scintillator);
            }
        }
    }
}

/// Radius of a uniform point in a sphere: the largest of three uniform numbers has the distribution of a cube root.
fn in_sphere(radius: f64, stream: &mut Stream) -> f64 {
    radius * stream.uniform().max(stream.uniform()).max(stream.uniform())
}

/// An isotropic direction up to rotations about the z axis, of which nothing depends on a photon from that axis.
fn slanted(stream: &mut Stream) -> [f64; 3] {
    let cos = 2.0 * stream.uniform() - 1.0;
    [(1.0 - cos * cos).max(0.0).sqrt(), 0.0, cos]
}
