import Testing

@testable import NetKit

@Suite struct TrustedCertificatesTests {
  @Test func theFirstFileThatIsThereIsUsed() {
    let red = "/etc/pki/tls/certs/ca-bundle.crt"
    #expect(TrustedCertificates.find(named: nil) { [red, "/etc/ssl/cert.pem"].contains($0) } == red)
    #expect(TrustedCertificates.find(named: "") { $0 == red } == red)
    #expect(TrustedCertificates.find(named: nil) { _ in false } == nil)
  }

  /// Even if it is absent: the error then names it.
  @Test func theEnvironmentComesFirst() {
    #expect(TrustedCertificates.find(named: "/my.pem") { _ in true } == "/my.pem")
  }
}
