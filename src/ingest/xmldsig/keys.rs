//! The keys an operator pinned for an issuer.

use super::signed_info::Method;
use aws_lc_rs::{
    rsa::PublicEncryptingKey,
    signature::{
        ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384,
        RSA_PKCS1_2048_8192_SHA512, VerificationAlgorithm,
    },
};
use rustls::pki_types::{CertificateDer, SubjectPublicKeyInfoDer, pem::PemObject};

/// How many keys an issuer may have: each is tried on every signature.
const MAX_KEYS: usize = 8;

const METHODS: [(Method, &dyn VerificationAlgorithm); 5] = [
    (Method::RsaSha256, &RSA_PKCS1_2048_8192_SHA256),
    (Method::RsaSha384, &RSA_PKCS1_2048_8192_SHA384),
    (Method::RsaSha512, &RSA_PKCS1_2048_8192_SHA512),
    (Method::EcdsaSha256, &ECDSA_P256_SHA256_FIXED),
    (Method::EcdsaSha384, &ECDSA_P384_SHA384_FIXED),
];

/// Public keys an issuer's XML signatures are checked against, and whether every message must bear one.
pub struct Pinned {
    /// Each key once for every method it can be used by.
    keys: Vec<(Method, ParsedPublicKey)>,
    pub required: bool,
}

impl std::fmt::Debug for Pinned {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pinned").field("keys", &self.keys.len()).field("required", &self.required).finish()
    }
}

impl Pinned {
    /// Reads PEM texts, each with public keys (`PUBLIC KEY`) or certificates (`CERTIFICATE`, of which only the key counts:
    /// being named here is what makes it trusted, so neither its dates nor its issuer are looked at).
    ///
    /// # Errors
    /// What is wrong with which text (counted from 1).
    pub fn parse(pems: &[impl AsRef<str>], required: bool) -> Result<Pinned, String> {
        let mut found: Vec<Vec<u8>> = Vec::new();
        for (n, pem) in pems.iter().enumerate() {
            let fault = |what: String| format!("key {}: {what}", n + 1);
            let pem = pem.as_ref().as_bytes();
            let before = found.len();
            for key in SubjectPublicKeyInfoDer::pem_slice_iter(pem) {
                found.push(key.map_err(|e| fault(format!("cannot be read: {e}")))?.as_ref().to_vec());
            }
            for certificate in CertificateDer::pem_slice_iter(pem) {
                let certificate = certificate.map_err(|e| fault(format!("cannot be read: {e}")))?;
                let read = webpki::EndEntityCert::try_from(&certificate);
                let read = read.map_err(|e| fault(format!("its certificate cannot be read ({e}); give the public key of it")))?;
                found.push(read.subject_public_key_info().as_ref().to_vec());
            }
            if found.len() == before {
                return Err(fault("holds neither a PUBLIC KEY nor a CERTIFICATE in PEM".into()));
            }
        }
        if found.is_empty() || found.len() > MAX_KEYS {
            return Err(format!("names {} keys; 1 to {MAX_KEYS} can be pinned", found.len()));
        }
        let mut keys = Vec::new();
        for (n, der) in found.iter().enumerate() {
            let before = keys.len();
            // The methods ask for the size only when they are used; here it is told before anybody signs.
            let is_rsa = PublicEncryptingKey::from_der(der).is_ok_and(|k| (2048..=8192).contains(&k.key_size_bits()));
            let fit = METHODS.iter().filter(|(m, _)| is_rsa == m.is_rsa());
            keys.extend(fit.filter_map(|(m, a)| Some((*m, ParsedPublicKey::new(*a, der).ok()?))));
            if keys.len() == before {
                return Err(format!("key {}: is neither RSA of 2048 to 8192 bits nor EC on P-256 or P-384", n + 1));
            }
        }
        Ok(Pinned { keys, required })
    }

    /// Whether one of the keys made this signature.
    pub(super) fn fits(&self, method: Method, message: &[u8], signature: &[u8]) -> bool {
        self.keys.iter().any(|(m, key)| *m == method && key.verify_sig(message, signature).is_ok())
    }
}
