import ShardKit
import TestKit
import Testing

@testable import PipelineKit

/// What belongs to a site: time limits, patterns, and the file of profiles.
@Suite struct ProfileTests {
  @Test(
    arguments: [
      ("1", 60), ("90", 5400), ("1:30", 90), ("90:00", 5400), ("1:30:00", 5400), ("0:00:10", 10), ("1-0", 86_400),
      ("1-12", 129_600), ("1-12:30", 131_400), ("2-00:00:01", 172_801), ("366-00:00:00", 366 * 86_400),
      ("000090", 5400),
    ])
  func timeLimitsAreReadAsSlurmReadsThem(text: String, seconds: Int) {
    #expect(TimeLimit.parse(text)?.seconds == seconds)
  }

  @Test(
    arguments: [
      "", "0", "0:00", "infinite", "UNLIMITED", "1h", "-1", "1-", "-", "1:", ":1", "1:2:3:4", "1-2-3", "1-1:2:3:4",
      "+1", " 1", "1 ", "١", "1.5", "367-00:00:00", "9999999", "999999-00:00:00", "366-00:00:01",
    ])
  func otherTextsAreNoTimeLimits(text: String) { #expect(TimeLimit.parse(text) == nil) }

  @Test(arguments: [(59, "00:00:59"), (5400, "01:30:00"), (86_400, "1-00:00:00"), (131_401, "1-12:30:01")])
  func aTimeLimitIsWrittenAsItIsRead(seconds: Int, text: String) {
    #expect("\(TimeLimit(seconds: seconds))" == text)
    #expect(TimeLimit.parse(text)?.seconds == seconds)
  }

  @Test(
    arguments: [
      ("model.train", "model.*", true), ("model", "model.*", false), ("model.", "model.*", true),
      ("model.train", "*", true), ("", "*", true), ("model.train", "*.train", true), ("train", "*.train", false),
      ("model.train", "model.train", true), ("model.train", "model", false), ("a.b.c", "a*b*c", true),
      ("a.c.b", "a*b*c", false), ("aa", "a*a", true), ("a", "a*a", false), ("abcab", "*ab*ab", true),
      ("abcb", "*ab*ab", false), ("a**b", "a**b", true), ("Model", "model", false), ("é", "e*", false),
    ])
  func aPatternMatchesWholeNames(name: String, pattern: String, matches: Bool) {
    #expect(SiteProfile.matches(name, pattern) == matches)
  }

  @Test func aFileOfHostsSaysHowManyJobsEachMayRun() throws {
    let folder = temporaryDirectory()
    defer { try? FileSystem.removeTree(folder) }
    let hosts = "n1\nn2\n\n# spare\nn1\r\nn3 16 all.q@n3 UNDEFINED\n"
    try FileSystem.write(Array(hosts.utf8), to: folder + "/hosts")
    #expect(try ProfileFile.hosts(folder + "/hosts") == ["n1": 2, "n2": 1, "n3": 16])
    let text =
      #"{"format": 1, "profiles": {"a": {"executor": "ssh", "hostsFile": "\#(folder)/hosts", "hosts": {"n2": 9}}}}"#
    let profile = try ProfileFile.parse(Array(text.utf8), path: "/p.json", profile: nil)
    #expect(profile.hosts == ["n1": 2, "n2": 9, "n3": 16])
    let missing = #"{"format": 1, "profiles": {"a": {"executor": "ssh", "hostsFile": "$PIPELINE_TEST_NO_HOSTS"}}}"#
    let error = #expect(throws: SpecErrors.self) {
      try ProfileFile.parse(Array(missing.utf8), path: "/p.json", profile: nil)
    }
    #expect("\(error!)".contains("$PIPELINE_TEST_NO_HOSTS: is not set"), "\(error!)")
  }

  @Test func theMostSpecificPatternHasTheResources() {
    var profile = SiteProfile()
    profile.resources["model.*"] = resources { $0.gpus = 8 }
    profile.resources["large"] = resources { $0.gpus = 2 }
    profile.driver = ["http.*", "small"]
    #expect(profile.resources(stage: "large", use: "model.train").gpus == 2)
    #expect(profile.resources(stage: "any", use: "model.train").gpus == 8)
    #expect(profile.resources(stage: "any", use: "text.clean") == SiteResources())
    profile.resources["*"] = resources { $0.gpus = 1 }
    profile.resources["model.train*"] = resources { $0.gpus = 4 }
    #expect(profile.resources(stage: "any", use: "model.train").gpus == 4)
    #expect(profile.resources(stage: "any", use: "model.card").gpus == 8)
    #expect(profile.resources(stage: "any", use: "text.clean").gpus == 1)
    #expect(profile.resources(stage: "large", use: "model.train").gpus == 2)
    #expect(profile.keepsInDriver(stage: "small", use: "text.clean"))
    #expect(profile.keepsInDriver(stage: "get", use: "http.get"))
    #expect(!profile.keepsInDriver(stage: "large", use: "text.clean"))
  }

  private func resources(_ change: (inout SiteResources) -> Void) -> SiteResources {
    var own = SiteResources()
    change(&own)
    return own
  }

  // MARK: The file

  private func parse(_ text: String, profile: String? = nil) throws -> SiteProfile {
    try ProfileFile.parse(Array(text.utf8), path: "p.json", profile: profile)
  }

  private func problems(_ text: String, profile: String? = nil) throws -> [String] {
    let error = #expect(throws: SpecErrors.self) { try parse(text, profile: profile) }
    return try #require(error).errors.map { "\($0.line ?? 0) \($0.jsonPath): \($0.message)" }
  }

  /// With one profile named `a` on line 3.
  private func one(_ options: String) -> String {
    "{ \"format\": 1,\n \"profiles\": {\n  \"a\": {\n   \(options) } } }"
  }

  @Test func aProfileHasWhatItSaysAndDefaults() throws {
    let profile = try parse(
      one(
        """
        "partition": "gpu", "time": "1-12", "memory": "2GiB", "environment": { "A_1": "x" },
        "resources": { "model.*": { "gpus": 8, "time": "2-00:00:00" } }, "maximumTime": "3-00:00:00"
        """))
    #expect(profile.executor == .slurm)
    #expect(profile.partition == "gpu")
    #expect(profile.time.seconds == 129_600)
    #expect(profile.memory.bytes == 2 << 30)
    #expect(profile.environment == ["A_1": "x"])
    #expect(profile.resources(stage: "t", use: "model.train").time?.seconds == 172_800)
    #expect(profile.mostDeaths == 3)
  }

  @Test func theExamplesAreProfiles() throws {
    let slurm = try parse(ProfileFile.example(.slurm))
    #expect(slurm.executor == .slurm)
    // What needs GPUs is not sent to the partition of everything else, and gets as many as it asks for.
    #expect(slurm.resources["check.nccl"]?.partition == "gpu" && slurm.resources["check.nccl"]?.gpus == nil)
    let aws = try ProfileFile.load(packagePath("Operations/aws/pipeline-profile.json"), profile: nil)
    #expect(aws.partition == "cpu")
    for kind in ["check.nccl", "model.pretrain", "evaluate.jglue"] {
      #expect(
        aws.resources(stage: "x", use: kind).partition == "gpu" && aws.resources(stage: "x", use: kind).gpus == nil)
    }
    let hosts = try parse(ProfileFile.example(.ssh))
    #expect(hosts.executor == .ssh)
    #expect(hosts.hosts == ["node01": 16, "node02": 16])
  }

  @Test func anUnknownOptionIsNamedWithItsLineAndTheNearestOne() throws {
    let found = try problems(one("\"time\": \"1\",\n   \"partitoin\": \"gpu\",\n   \"pollSeconds\": 0"))
    #expect(found.count == 3)
    #expect(found[0] == "5 profiles.a.partitoin: 'the profile' has no option 'partitoin'. Did you mean 'partition'?")
    #expect(found[1].hasPrefix("6 profiles.a.pollSeconds: "))
  }

  @Test func anUnknownOptionOfResourcesIsNamed() throws {
    let found = try problems(one("\"resources\": { \"model.*\": { \"gpu\": 1 } }"))
    #expect(found.count == 1)
    #expect(found[0].contains("profiles.a.resources: 'model.*': 'gpu': "), "\(found)")
    #expect(found[0].contains("Did you mean 'gpus'?"), "\(found)")
  }

  @Test func oneOfSeveralProfilesIsChosen() throws {
    let two = "{ \"format\": 1, \"profiles\": { \"a\": { \"account\": \"x\" }, \"b\": { \"account\": \"y\" } } }"
    #expect(try parse(two, profile: "b").account == "y")
    #expect(
      try problems(two) == [
        "1 profiles: several profiles and none named 'default': choose one with --profile. Known: a, b"
      ])
    #expect(try problems(two, profile: "c") == ["1 profiles: no profile 'c'. Did you mean 'a'?"])
    let named = two.replacing("\"a\"", with: "\"default\"")
    #expect(try parse(named).account == "x")
  }

  @Test func anotherFormatIsRefused() throws {
    for text in ["[]", "{}", "{ \"format\": 2, \"profiles\": {} }", "{ \"profiles\": { \"a\": {} } }"] {
      #expect(
        try problems(text) == ["1 format: a profile file is a JSON object with \"format\": 1 and \"profiles\""],
        "\(text)")
    }
    #expect(
      try problems("{ \"format\": 1, \"profiles\": {} }") == [
        "1 profiles: should be an object with at least one profile"
      ])
    #expect(
      try problems("{ \"format\": 1,\n \"profile\": {} }")[0].hasPrefix("2 profile: a profile file has no 'profile'"))
    #expect(
      try problems("{ \"format\": 1, \"profiles\": { \"a\": [] } }") == [
        "1 profiles.a: should be an object, not an array"
      ])
    #expect(try problems("{ \"format\": 1,\n \"profiles\": {").count == 1)
  }

  @Test(
    arguments: [
      ("\"executor\": \"ssh\"", "'hosts' is empty"),
      ("\"executor\": \"ssh\", \"hosts\": { \"n1\": 0 }", "the host 'n1' must be allowed at least 1 job, not 0"),
      ("\"time\": \"3\"", "'time' must exceed 'warningSeconds' by at least 30 s"),
      ("\"time\": \"2-0\"", "'time' exceeds 'maximumTime'"),
      ("\"memory\": \"65GiB\"", "'memory' exceeds 'maximumMemory'"),
      ("\"resources\": { \"m\": { \"cores\": 0 } }", "the resources of 'm': 'cores' should be at least 1"),
      ("\"resources\": { \"m\": { \"gpus\": -1 } }", "the resources of 'm': 'gpus' should be at least 0"),
      ("\"resources\": { \"m\": { \"nodes\": 0 } }", "the resources of 'm': 'nodes' should be at least 1"),
      (
        "\"resources\": { \"m\": { \"time\": \"3\" } }",
        "the resources of 'm': 'time' must exceed 'warningSeconds' by at least 30 s"
      ),
      (
        "\"resources\": { \"m\": { \"time\": \"2-00:00:00\" } }",
        "the resources of 'm': 'time' (2-00:00:00) exceeds 'maximumTime' (1-00:00:00)"
      ),
      (
        "\"resources\": { \"m\": { \"memory\": \"500GiB\" } }",
        "the resources of 'm': 'memory' (500GiB) exceeds 'maximumMemory' (64GiB)"
      ),
      ("\"shell\": \"bash\"", "'shell' should be the path of bash"),
      ("\"shell\": \"/bin/zsh\"", "'shell' should be the path of bash"),
      ("\"environment\": { \"A-B\": \"\" }", "'A-B' cannot be the name of an environment variable"),
      ("\"environment\": { \"1A\": \"\" }", "'1A' cannot be the name of an environment variable"),
      ("\"environment\": { \"\": \"\" }", "'' cannot be the name of an environment variable"),
    ])
  func contradictionsAreRefused(options: String, message: String) throws {
    let found = try problems(one(options))
    #expect(found.count == 1)
    #expect(found[0].hasPrefix("3 profiles.a: "), "\(found)")
    #expect(found[0].contains(message), "\(found)")
  }

  @Test func theResourcesMayHaveGreaterLimits() throws {
    let profile = try parse(
      one(
        """
        "resources": { "m": { "time": "2-00:00:00", "maximumTime": "3-00:00:00", "memory": "500GiB",
          "maximumMemory": "1TiB" } }
        """))
    #expect(profile.most(profile.resources(stage: "m", use: "")).time.seconds == 3 * 86_400)
    #expect(profile.most(profile.resources(stage: "m", use: "")).memory == ByteCount(1 << 40))
    #expect(profile.most(profile.resources(stage: "n", use: "")).memory == .gibibytes(64))
  }

  @Test func allProblemsAreNamedAtOnce() throws {
    let found = try problems(
      one("\"hosts\": 5, \"time\": \"3-0\", \"environment\": { \"A-B\": \"\", \"1\": \"\" }, \"memory\": \"1TiB\""))
    #expect(found.count == 5, "\(found)")
    for text in ["hosts", "'time' exceeds", "'A-B'", "'1'", "'memory' exceeds"] {
      #expect(found.contains { $0.contains(text) }, "\(text)")
    }
  }

  @Test func aMissingFileIsAnErrorWithItsPath() {
    let error = #expect(throws: SpecErrors.self) { try ProfileFile.load("/nowhere/p.json") }
    #expect(error?.errors.first?.file == "/nowhere/p.json")
  }
}
