//! The authors' checkpoints as they come, and descriptions that do not fit them.

use super::*;

const TEDE: (&[u8], &[u8]) = (
    include_bytes!("../../tests/data/tede-01bfb89.safetensors"),
    include_bytes!("../../tests/data/authors-tede-01bfb89.json"),
);
const NFDE: (&[u8], &[u8]) = (
    include_bytes!("../../tests/data/nfde-c008830.safetensors"),
    include_bytes!("../../tests/data/authors-nfde-c008830.json"),
);

#[test]
fn the_authors_words_become_ours() {
    let files = import(TEDE.0, TEDE.1).unwrap();
    assert_eq!(files.description, include_bytes!("../../tests/data/tede-01bfb89.json"));
    // What is ours already stays as it is.
    assert_eq!(import(&files.tensors, &files.description).unwrap(), files);
    let files = import(NFDE.0, NFDE.1).unwrap();
    assert_eq!(files.description, include_bytes!("../../tests/data/nfde-c008830.json"));
    assert_eq!(import(&files.tensors, &files.description).unwrap(), files);
}

#[test]
fn the_architecture_of_the_paper_is_recognised() {
    let config = TedeConfig { tokens_per_parameter: 2, layers: 1, ..TedeConfig::default() };
    let layout = TedeLayout::new(&config, Sizes { parameters: 3, sources: 5, bins: 800 });
    let tensors = crate::artifact::write_weights(&layout.tensors, &vec![0.5; layout.total]).unwrap();
    let description = String::from_utf8(TEDE.1.to_vec()).unwrap();
    let description = description
        .replace("\"nhead\": 5", "\"nhead\": 10")
        .replace("\"num_encoder_layers\": 4", "\"num_encoder_layers\": 1")
        .replace("\"dim_feedforward\": 352", "\"dim_feedforward\": 384")
        .replace("\"temperature\": 1.1", "\"temperature\": 2.03")
        .replace("\"dropout\": 0.45", "\"dropout\": 0.0");
    let files = import(&tensors, description.as_bytes()).unwrap();
    assert_eq!(TedeDescription::parse(&files.description).unwrap().architecture, config);
}

#[test]
fn a_description_of_something_else_is_refused() {
    let refused = |model: (&[u8], &[u8]), old: &str, new: &str, said: &str| {
        let text = std::str::from_utf8(model.1).unwrap();
        assert!(text.contains(old), "{old}");
        let error = import(model.0, text.replacen(old, new, 1).as_bytes()).unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
    };
    refused(NFDE, "\"n_flows\": 125", "\"n_flows\": 126", "`flows.125.param_net.0.weight` is missing");
    refused(
        NFDE,
        "\"n_flows\": 125",
        "\"n_flows\": 124",
        "`flows.124.conditions_to_params_net.0.bias` belongs to no layer",
    );
    refused(NFDE, "\"n_units\": 20", "\"n_units\": 21", "F32 [21, 3] was expected");
    refused(NFDE, "\"flow_type\": \"planar\"", "\"flow_type\": \"radial\"", "radial");
    refused(NFDE, "\"activation\": \"silu\"", "\"activation\": \"mish\"", "mish");
    refused(NFDE, "\"high\": 16.4", "\"high\": 16.0", "do not fill");
    refused(NFDE, "\"AmC\": 4", "\"AmC\": 5", "source_order");
    refused(NFDE, "\"kind\": \"NFDE\"", "\"kind\": \"KDE\"", "`KDE` is not known");
    refused(TEDE, "\"nhead\": 5", "\"nhead\": 7", "7 heads");
    refused(TEDE, "\"num_encoder_layers\": 4", "\"num_encoder_layers\": 3", "layers.3");
    refused((NFDE.0, TEDE.1), "\"nhead\": 5", "\"nhead\": 5", "`param_emb_embedding.0.weight` is missing");
    assert!(import(&NFDE.0[..1000], NFDE.1).is_err());
    assert!(import(NFDE.0, b"{").is_err());
}
