"""Checks Operations/aws with AWS's own software, without AWS.

usage: aws_ground.py lint | stacks | templates | parallelcluster | hyperpod | nodes | container

lint             cfn-lint finds no error and no warning in any template
stacks           `create-stack` creates in moto what moto can, as it should be, and `configure` reads the outputs
templates        the file system takes nothing from the bucket that nodes may not, and alarms see what they name
parallelcluster  ParallelCluster's schema loads parallelcluster.yaml, with and without accounting
hyperpod         botocore's model of SageMaker accepts hyperpod/cluster.json
nodes            what node-setup.sh tells the CloudWatch agent, by the agent's rules, and which folders it opens
container        the container file copies what exists, compiles for the GPUs of the cluster, and does not run as root

Prints "ok" and what was checked. Without arguments, imports alone are tried.
"""
import contextlib
import fnmatch
import importlib.machinery
import importlib.util
import io
import json
import logging
import os
import pathlib
import re
import stat
import subprocess
import sys
import tempfile
import warnings

# Nobody's account: moto answers in this process. An endpoint of the surroundings would be asked instead.
for name in [name for name in os.environ if name.startswith("AWS_")]:
    del os.environ[name]
os.environ |= {
    "AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}
sys.path.append(f"{sys.prefix}/parallelcluster")
# moto says which parts of a template it does not create; so do the checks here.
warnings.simplefilter("ignore")
logging.getLogger("moto").setLevel(logging.CRITICAL)

import boto3
import botocore.session
import cfnlint.decode
import moto
import yaml
from botocore.validate import ParamValidator
from pcluster.schemas.cluster_schema import ClusterSchema

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDER = ROOT / "Operations" / "aws"
TEMPLATES = sorted(
    path for path in FOLDER.glob("*.yaml") if "AWSTemplateFormatVersion" in path.read_text(encoding="utf-8"))
PROJECT = "pipeline"


def script(name):
    """A script of Operations/aws as a module."""
    loader = importlib.machinery.SourceFileLoader(name.replace("-", "_"), str(FOLDER / name))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
    sys.dont_write_bytecode = True
    loader.exec_module(module)
    return module


def refusal(work):
    """What a script says when it refuses."""
    try:
        work()
    except SystemExit as error:
        return str(error)
    sys.exit("not as it should be: nothing is refused")


def expect(condition, message):
    if not condition:
        sys.exit(f"not as it should be: {message}")


def lint():
    program = str(pathlib.Path(sys.executable).parent / "cfn-lint")
    for template in TEMPLATES:
        ended = subprocess.run(
            [program, "--regions", "us-east-1", "--", str(template)], capture_output=True, text=True)
        expect(ended.returncode == 0, f"{template.name}: {ended.stdout}{ended.stderr}")
    # The check itself can fail.
    broken = (FOLDER / "buckets.yaml").read_text(encoding="utf-8").replace("Status: Enabled }", "Status: On }")
    ended = subprocess.run(
        [program, "-"], input=broken, capture_output=True, text=True)
    expect(ended.returncode != 0, "cfn-lint accepts a bucket whose versioning is 'On'")
    return f"{len(TEMPLATES)} templates"


# MARK: Stacks

def create(part, *parameters):
    """Creates a stack by `create-stack` and returns its outputs."""
    with contextlib.redirect_stdout(io.StringIO()) as told:
        script("create-stack").main([PROJECT, part, *parameters])
    expect(told.getvalue().startswith(f"{PROJECT}-{part} is created"), told.getvalue())
    stack = boto3.client("cloudformation").describe_stacks(StackName=f"{PROJECT}-{part}")["Stacks"][0]
    return {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}


def check_buckets(made):
    s3 = boto3.client("s3")
    for key in ("DataBucket", "OperationsBucket", "LogsBucket"):
        rule = s3.get_bucket_encryption(Bucket=made[key])["ServerSideEncryptionConfiguration"]["Rules"][0]
        expect(rule["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256", f"{key} is not encrypted")
    # moto creates buckets with no more of their properties: the others are given to its calls as CloudFormation would.
    template, _ = cfnlint.decode.decode(str(FOLDER / "buckets.yaml"))
    for name, resource in template["Resources"].items():
        if resource["Type"] != "AWS::S3::Bucket":
            continue
        properties = resource["Properties"]
        bucket = made[f"{name}Bucket"]
        s3.put_public_access_block(
            Bucket=bucket, PublicAccessBlockConfiguration=plain(properties["PublicAccessBlockConfiguration"]))
        block = s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
        expect(len(block) == 4 and all(block.values()), f"{name} is open: {block}")
        expect(resource["DeletionPolicy"] == "Retain", f"{name} would go with its stack")
        if name != "Logs":
            s3.put_bucket_versioning(
                Bucket=bucket, VersioningConfiguration=plain(properties["VersioningConfiguration"]))
            expect(s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled", f"{name} keeps no versions")
            rules = {rule["Id"] for rule in properties["LifecycleConfiguration"]["Rules"]}
            expect("old-versions" in rules, f"{name} keeps old versions for ever")


def plain(value):
    """A part of a template without what cfn-lint knows of its places."""
    return json.loads(json.dumps(value), object_hook=lambda members: {
        key: {"true": True, "false": False}.get(member, member) if isinstance(member, str) else member
        for key, member in members.items()})


def check_network(made):
    ec2 = boto3.client("ec2")
    subnets = {subnet["SubnetId"]: subnet for subnet in ec2.describe_subnets(
        SubnetIds=[made["PublicSubnet"], made["ComputeSubnet"], made["SecondSubnet"]])["Subnets"]}
    public, compute, second = (subnets[made[key]] for key in ("PublicSubnet", "ComputeSubnet", "SecondSubnet"))
    expect(public["AvailabilityZone"] == compute["AvailabilityZone"] == "us-east-1a", "EFA would cross zones")
    expect(second["AvailabilityZone"] == "us-east-1b", "the database has one zone")
    # moto's stacks pass this property over.
    template, _ = cfnlint.decode.decode(str(FOLDER / "network.yaml"))
    public_addresses = [name for name, resource in template["Resources"].items()
                        if str(resource.get("Properties", {}).get("MapPublicIpOnLaunch")).lower() == "true"]
    expect(public_addresses == ["PublicSubnet"], f"nodes of several network cards cannot have public addresses: {public_addresses}")
    # A part of a kind that moto does not create has no names.
    found = boto3.client("cloudformation").describe_stack_resources(StackName=f"{PROJECT}-network")["StackResources"]
    parts = {part["LogicalResourceId"]: part["PhysicalResourceId"] for part in found if "PhysicalResourceId" in part}
    table = ec2.describe_route_tables(RouteTableIds=[parts["PrivateRoutes"]])["RouteTables"][0]
    ways = {route.get("DestinationCidrBlock"): route for route in table["Routes"]}
    expect(ways["0.0.0.0/0"].get("NatGatewayId") == parts["NAT"], f"nodes have no way out: {ways}")
    association = template["Resources"]["ComputeAssociation"]["Properties"]
    expect((association["SubnetId"], association["RouteTableId"]) == ({"Ref": "ComputeSubnet"}, {"Ref": "PrivateRoutes"}),
           f"nodes go another way: {association}")
    group = ec2.describe_security_groups(GroupIds=[made["ClusterSecurityGroup"]])["SecurityGroups"][0]
    inward = group["IpPermissions"]
    expect(len(inward) == 1 and inward[0]["IpProtocol"] == "-1", f"ways in: {inward}")
    expect([pair["GroupId"] for pair in inward[0]["UserIdGroupPairs"]] == [made["ClusterSecurityGroup"]],
           f"not from the group itself: {inward}")
    expect(not inward[0]["IpRanges"] and not inward[0].get("Ipv6Ranges"), f"from elsewhere: {inward}")
    # moto's stacks pass the ways out over.
    outward = [resource["Properties"] for resource in template["Resources"].values()
               if resource["Type"] == "AWS::EC2::SecurityGroupEgress"]
    expect([(str(rule["IpProtocol"]), rule["DestinationSecurityGroupId"]) for rule in outward]
           == [("-1", {"Ref": "ClusterSecurityGroup"})], f"EFA has no way to the group: {outward}")


def check_access(made, buckets):
    iam = boto3.client("iam")
    policy = iam.get_policy(PolicyArn=made["NodePolicy"])["Policy"]
    document = iam.get_policy_version(
        PolicyArn=made["NodePolicy"], VersionId=policy["DefaultVersionId"])["PolicyVersion"]["Document"]
    for statement in document["Statement"]:
        actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
        expect(not any("*" in action for action in actions), f"any action: {statement}")
        expect("s3:DeleteObject" not in actions, "nodes may delete")
        resources = statement["Resource"] if isinstance(statement["Resource"], list) else [statement["Resource"]]
        if "*" in resources:
            expect("Condition" in statement, f"everything without a condition: {statement}")
        elif any(action.startswith("s3:") for action in actions):
            known = tuple(f"arn:aws:s3:::{buckets[key]}" for key in ("DataBucket", "OperationsBucket"))
            expect(all(resource.startswith(known) for resource in resources), f"other buckets: {statement}")
    # HyperPod lists the folder of its scripts, and copies what it finds.
    operations = f"arn:aws:s3:::{buckets['OperationsBucket']}"
    for action, resource in [("s3:ListBucket", operations), ("s3:GetObject", f"{operations}/aws/hyperpod/on-create.sh")]:
        expect(allows(document, action, resource), f"nodes have no {action} on {resource}")
    expect(not allows(document, "s3:PutObject", f"{operations}/aws/node-setup.sh"), "nodes may change programs")
    role = iam.get_role(RoleName=made["HyperPodRole"].split("/")[-1])["Role"]
    principals = [statement["Principal"] for statement in role["AssumeRolePolicyDocument"]["Statement"]]
    expect(principals == [{"Service": "sagemaker.amazonaws.com"}], f"who may be the role: {principals}")


def allows(document, action, resource):
    """Whether a policy allows an action on a resource, by its statements without conditions."""
    def many(value):
        return value if isinstance(value, list) else [value]

    return any(
        statement["Effect"] == "Allow" and "Condition" not in statement and action in many(statement["Action"])
        and any(fnmatch.fnmatchcase(resource, pattern) for pattern in many(statement["Resource"]))
        for statement in document["Statement"])


def made_stacks(administrators=""):
    """Creates every stack that moto can, and returns what `configure` finds, with the file system's outputs added."""
    # Of FSx, Aurora and EC2's placement groups moto knows no stacks: their outputs are put in by hand.
    buckets = create("buckets")
    network = create("network", "AvailabilityZone=us-east-1a", "SecondAvailabilityZone=us-east-1b",
                     f"AdministratorNetwork={administrators}")
    # The buckets' names come from the first stack.
    access = create("access")
    check_buckets(buckets)
    check_network(network)
    check_access(access, buckets)
    return buckets, network, access


def values_of(buckets, network, access):
    """The values that `configure` puts in, for the checks of configurations."""
    values = buckets | network | access | {
        "ProjectName": PROJECT, "Region": "us-east-1", "Partition": "aws", "PlacementGroup": "pipeline-placement",
        "FileSystem": "fs-0123456789abcdef0", "FileSystemMountName": "abcdefgh",
        "FileSystemDNSName": "fs-0123456789abcdef0.fsx.us-east-1.amazonaws.com",
    }
    return values


def stacks():
    with moto.mock_aws():
        buckets, network, access = made_stacks()
        client = boto3.client("cloudformation")
        configure = script("configure")
        told = refusal(lambda: configure.outputs(client, PROJECT))
        expect("there is no stack 'pipeline-filesystem'" in told, f"configure says: {told}")
        create_stack = script("create-stack")
        for arguments, message in [
            (["other", "network"], "AvailabilityZone is missing"), ([PROJECT, "basement"], "usage: create-stack"),
            ([PROJECT, "buckets", "Color=red"], "the template has no parameter Color"),
        ]:
            told = refusal(lambda: create_stack.main(arguments))
            expect(message in told, f"create-stack says: {told}")
        with contextlib.redirect_stdout(io.StringIO()) as told:
            create_stack.main([PROJECT, "network"])
        expect(told.getvalue().startswith("pipeline-network is u"), f"again: {told.getvalue()}")
        # moto cannot create a file system: a template of outputs alone takes its place.
        outputs = {"FileSystem": "fs-0123456789abcdef0", "FileSystemMountName": "abcdefgh", "FileSystemDNSName": "x"}
        template = {
            "Resources": {"Topic": {"Type": "AWS::SNS::Topic"}},
            "Outputs": {key: {"Value": value} for key, value in outputs.items()},
        }
        client.create_stack(StackName=f"{PROJECT}-filesystem", TemplateBody=json.dumps(template))
        values, found = configure.outputs(client, PROJECT)
        expect(found == ["buckets", "network", "filesystem", "access"], f"configure finds {found}")
        expect(values["DataBucket"] == buckets["DataBucket"] and values["NodePolicy"] == access["NodePolicy"],
               f"configure reads {values}")
        expect(values["ComputeSubnet"] == network["ComputeSubnet"], f"configure reads {values}")
    return "buckets, network, access, create-stack, configure"


# MARK: Templates that moto does not create

def resources(name):
    """The resources of a template by name, of one kind each."""
    template, _ = cfnlint.decode.decode(str(FOLDER / name))
    return template["Resources"]


def templates():
    check_filesystem()
    check_alarms()
    return "file system, alarms"


def check_filesystem():
    """FSx exports with its own rights: it must not write or delete what nodes may not."""
    policy = resources("access.yaml")["NodePolicy"]["Properties"]["PolicyDocument"]["Statement"]
    written = next(statement["Resource"] for statement in policy if statement["Sid"] == "WriteResults")
    writable = {arn["Fn::Sub"].rsplit("/", 2)[1] for arn in written}
    exported, paths = set(), []
    for name, resource in resources("filesystem.yaml").items():
        if resource["Type"] != "AWS::FSx::DataRepositoryAssociation":
            continue
        properties = resource["Properties"]
        path, prefix = properties["FileSystemPath"], properties["DataRepositoryPath"]["Fn::Sub"]
        paths.append(path)
        expect(prefix == f"s3://${{DataBucket}}/{path.removeprefix('/data/')}/", f"{name}: {path} shows {prefix}")
        events = properties["S3"].get("AutoExportPolicy", {"Events": []})["Events"]
        expect("DELETED" not in events, f"{name}: whoever deletes below {path} deletes in the bucket")
        if events:
            exported.add(path.removeprefix("/data/"))
    expect(exported == writable, f"FSx writes {exported}, nodes may write {writable}")
    expect("/data/sources" in paths, "sources are not shown")
    for path in paths:
        others = [other for other in paths if other != path]
        expect(not any(f"{other}/".startswith(f"{path}/") for other in others), f"FSx refuses paths that overlap: {paths}")


def check_alarms():
    alarms = {name: resource["Properties"] for name, resource in resources("alarms.yaml").items()
              if resource["Type"] == "AWS::CloudWatch::Alarm"}
    for name, alarm in alarms.items():
        # Each disk reports each minute: a sum over a longer period counts the same free bytes several times.
        expect(alarm.get("Statistic") != "Sum" or alarm["Period"] == 60, f"{name} sums over {alarm.get('Period')} s")
        # An average over a cluster hides the idle half.
        expect(alarm.get("Statistic") != "Average", f"{name} looks at an average")
    expect(alarms["FullFileSystem"]["Statistic"] == "Minimum", "a file on a full disk cannot grow")
    namespaces = {alarm["Namespace"] for alarm in alarms.values() if alarm.get("Namespace", "AWS/").split("/")[0] != "AWS"}
    agent = agent_configuration("gpu_configuration")["metrics"]
    expect(namespaces == {agent["namespace"]}, f"alarms look at {namespaces}, the agent writes {agent['namespace']}")
    sent = {f"nvidia_smi_{measurement['name']}" for measurement in agent["metrics_collected"]["nvidia_gpu"]["measurement"]}
    for name in ("IdleGPUs", "HotGPUs"):
        expect(alarms[name]["MetricName"] in sent, f"{name} looks at {alarms[name]['MetricName']}, which nobody sends")
        expect([[member["Name"] for member in alarms[name]["Dimensions"]]] == agent["aggregation_dimensions"], name)
    query = alarms["StandingRuns"]["Metrics"][0]["Expression"]
    expect(f'FROM "{agent["namespace"]}"' in query, f"another namespace than the program's: {query}")


# MARK: Nodes

def shell(script, folder, **variables):
    """Runs functions of node-setup.sh, whose programs are those of a folder first."""
    environment = os.environ | {"PATH": f"{folder}/bin:{os.environ['PATH']}"} | variables
    source = f'source "{FOLDER}/node-setup.sh"; project={PROJECT} bucket=b agent="$AGENT" lines="$LINES"; {script}'
    return subprocess.run(["bash", "-c", source], capture_output=True, text=True, env={
        "AGENT": f"{folder}/agent", "LINES": f"{folder}/lines", **environment})


def agent_configuration(function):
    """What a function of node-setup.sh configures the agent with."""
    ended = shell(function, "/nowhere")
    expect(ended.returncode == 0, ended.stderr)
    return json.loads(ended.stdout)


def program(folder, name, text):
    path = pathlib.Path(folder) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    path.chmod(0o755)


# What ParallelCluster gives the agent of a head node (write_cloudwatch_agent_json.py of its cookbook).
HEAD_NODE = {
    "agent": {"run_as_user": "root"},
    "logs": {"logs_collected": {"files": {"collect_list": [{"file_path": "/var/log/syslog"}]}}},
    "metrics": {
        "metrics_collected": {"mem": {"measurement": ["mem_used_percent"]}},
        "append_dimensions": {"InstanceId": "${aws:InstanceId}"},
        "aggregation_dimensions": [["InstanceId", "path"]],
    },
}
CONTROL = "bin/amazon-cloudwatch-agent-ctl"


def nodes():
    check_lines()
    for lists, given, control, is_sent, told in [
        # The driver of an image without a GPU.
        ("echo 'No devices were found'; exit 6", None, 0, False, ""),
        ("echo 'GPU 0: NVIDIA H100 (UUID: GPU-1)'", None, 0, True, ""),
        ("echo 'GPU 0: NVIDIA H100 (UUID: GPU-1)'", HEAD_NODE, 0, False, "has metrics of its own"),
        # What the agent refuses must not keep the node from joining.
        ("echo 'GPU 0: NVIDIA H100 (UUID: GPU-1)'", None, 1, True, "did not take their configuration"),
    ]:
        with tempfile.TemporaryDirectory() as folder:
            program(f"{folder}/bin", "nvidia-smi", lists)
            program(f"{folder}/agent", CONTROL, f"echo \"$@\" >>'{folder}/told'; exit {control}")
            etc = pathlib.Path(folder, "agent", "etc")
            etc.mkdir()
            if given is not None:
                (etc / "amazon-cloudwatch-agent.json").write_text(json.dumps(given), encoding="utf-8")
            # rotate_lines is written to a folder of the system otherwise.
            ended = shell("send_metric_lines() { :; }; send_metrics; echo joined", folder)
            expect(ended.stdout == "joined\n", f"the node does not join: {ended.stderr}")
            calls = pathlib.Path(folder, "told")
            expect(calls.exists() == is_sent, f"{lists}, {given}: {ended.stderr}")
            expect(told in ended.stderr and (told or not ended.stderr), f"node-setup says: {ended.stderr}")
            if is_sent:
                expect(calls.read_text().startswith("-a append-config -m ec2 -s -c file:"), calls.read_text())
    check_folders()
    return "agent, folders"


def check_lines():
    """The agent merges lists of files, and ends at any other key that has two values."""
    lines = agent_configuration("lines_configuration")
    expect(list(lines) == ["logs"] and list(lines["logs"]) == ["logs_collected"], f"beside ParallelCluster's: {lines}")
    files = lines["logs"]["logs_collected"]["files"]
    expect(list(files) == ["collect_list"], f"beside ParallelCluster's: {files}")
    group = files["collect_list"][0]["log_group_name"]
    policy = resources("access.yaml")["NodePolicy"]["Properties"]["PolicyDocument"]["Statement"]
    rights = next(statement for statement in policy if "logs:PutLogEvents" in statement["Action"])
    pattern = rights["Resource"]["Fn::Sub"].split(":log-group:")[1]
    expect(fnmatch.fnmatchcase(group, pattern), f"nodes may write to {pattern}, not to {group}")


def check_folders():
    with tempfile.TemporaryDirectory() as folder:
        program(f"{folder}/bin", "mountpoint", "exit 0")
        shared = pathlib.Path(folder, "fsx")
        (shared / "data" / "models").mkdir(parents=True, mode=0o755)
        (shared / "data" / "corpus").mkdir()
        (shared / "data" / "corpus").chmod(0o750)
        ended = shell('shared="$SHARED"; open_folders', folder, SHARED=str(shared))
        expect(ended.returncode == 0 and not ended.stderr, ended.stderr)
        modes = {name: stat.S_IMODE((shared / name).stat().st_mode)
                 for name in ("runs", "data/models", "data/runs", "data/corpus")}
        # Who is not root cannot be given root's folders.
        opened = 0o1777 if os.getuid() == 0 else 0o755
        expect(modes == {"runs": 0o1777, "data/models": opened, "data/runs": 0o1777, "data/corpus": 0o750},
               f"folders: { {name: oct(mode) for name, mode in modes.items()} }")
        program(f"{folder}/bin", "mountpoint", "exit 1")
        ended = shell('shared=/nowhere; open_folders', folder)
        expect(ended.returncode == 0 and "/nowhere is not mounted" in ended.stderr, ended.stderr)


# MARK: Configurations

def filled(name, has_accounting=False, administrators=""):
    with moto.mock_aws():
        values = values_of(*made_stacks(administrators))
    if has_accounting:
        values |= {
            "AccountingURI": "pipeline.cluster-x.us-east-1.rds.amazonaws.com:3306",
            "AccountingSecret": "arn:aws:secretsmanager:us-east-1:123456789012:secret:Password-x",
        }
    return script("configure").filled((FOLDER / name).read_text(encoding="utf-8"), values, has_accounting)


def parallelcluster():
    # Nobody has the address of this machine itself.
    for has_accounting, administrators, allowed in [
        (False, "", "127.0.0.1/32"), (True, "203.0.113.0/24", "203.0.113.0/24"),
    ]:
        text = filled("parallelcluster.yaml", has_accounting, administrators)
        expect("${" not in text.replace("${…}", ""), f"left unfilled: {text}")
        cluster = ClusterSchema(cluster_name=PROJECT).load(yaml.safe_load(text))
        # ParallelCluster's own group of the head node, beside which ours can only add.
        expect(cluster.head_node.ssh.allowed_ips == allowed, f"SSH is open to {cluster.head_node.ssh.allowed_ips}")
        database = cluster.scheduling.settings.database
        expect((database is not None) == has_accounting, f"accounting: {database}")
        expect(cluster.scheduling.settings.enable_memory_based_scheduling, "Slurm does not heed memory")
        queues = {queue.name: queue for queue in cluster.scheduling.queues}
        profile = json.loads((FOLDER / "pipeline-profile.json").read_text(encoding="utf-8"))["profiles"]["default"]
        named = {profile["partition"], *(resource["partition"] for resource in profile["resources"].values())}
        expect(named == set(queues), f"the profile sends jobs to {named}, the partitions are {set(queues)}")
        resource = queues["gpu"].compute_resources[0]
        expect(resource.instance_types == ["p5.48xlarge"] and resource.efa.enabled, f"GPUs: {resource}")
        expect(queues["gpu"].networking.placement_group.enabled, "GPU nodes are not placed together")
        expect([storage.mount_dir for storage in cluster.shared_storage] == ["/fsx"], "no shared folder")
    # The check itself can fail.
    broken = yaml.safe_load(text.replace("MaxCount: 16", "MaxCount: many"))
    try:
        ClusterSchema(cluster_name=PROJECT).load(broken)
    except Exception as error:
        expect("MaxCount" in str(error), f"refused for another reason: {error}")
    else:
        sys.exit("the schema accepts a MaxCount that is no number")
    return "with and without accounting"


def hyperpod():
    request = json.loads(filled("hyperpod/cluster.json"))
    model = botocore.session.get_session().get_service_model("sagemaker")
    shape = model.operation_model("CreateCluster").input_shape
    report = ParamValidator().validate(request, shape)
    expect(not report.has_errors(), report.generate_report())
    # What the validator leaves to the service: names in enumerations, patterns.
    check_enumerations(shape, request, "")
    groups = {group["InstanceGroupName"]: group for group in request["InstanceGroups"]}
    kinds = [groups[name]["SlurmConfig"]["NodeType"] for name in ("controller", "cpu", "gpu")]
    expect(kinds == ["Controller", "Compute", "Compute"], f"kinds of nodes: {kinds}")
    for group in groups.values():
        script = FOLDER / "hyperpod" / group["LifeCycleConfig"]["OnCreate"]
        expect(script.exists(), f"{script} does not exist")
    return f"{len(groups)} groups"


def check_enumerations(shape, value, place):
    if shape.type_name == "structure":
        for key, member in value.items():
            check_enumerations(shape.members[key], member, f"{place}.{key}")
    elif shape.type_name == "list":
        for number, member in enumerate(value):
            check_enumerations(shape.member, member, f"{place}[{number}]")
    elif shape.type_name == "string":
        expect(not shape.enum or value in shape.enum, f"{place}: {value} is none of {shape.enum}")
        pattern = shape.metadata.get("pattern", ".*")
        # Classes of Unicode, which tags may consist of, are not known to Python's expressions.
        if "\\p{" not in pattern:
            expect(re.fullmatch(pattern, value), f"{place}: {value} does not match {pattern}")


def container():
    text = (ROOT / "Operations" / "container" / "Dockerfile").read_text(encoding="utf-8")
    lines = re.sub(r"\\\n", " ", text).split("\n")
    steps = [line.split(maxsplit=1) for line in lines if line and not line.startswith("#")]
    arguments = dict(step[1].split("=", 1) for step in steps if step[0] == "ARG" and "=" in step[1])
    sent = (ROOT / "Operations" / "container" / "Dockerfile.dockerignore").read_text(encoding="utf-8").split()
    stages, user = [], None
    for word, rest in steps:
        if word == "FROM":
            image = re.sub(r"\$\{(\w+)\}", lambda match: arguments[match[1]], rest.split()[0])
            expect(re.search(r":[\w.-]*\d", image), f"{image} has no version")
            stages.append(rest.split()[-1])
            user = None
        elif word == "USER":
            user = rest
        elif word == "COPY" and not rest.startswith("--from"):
            for source in rest.split()[:-1]:
                expect((ROOT / source).exists(), f"COPY {source}: there is no such file")
                expect(f"!{source}" in sent, f"COPY {source}: Dockerfile.dockerignore holds it back")
        elif word == "COPY":
            expect(rest.split("=")[1].split()[0] in stages, f"COPY {rest}: there is no such stage")
    expect(len(stages) == 4 and user not in (None, "0", "root"), f"{stages} end as the user {user}")
    manifest = (ROOT / "Package.swift").read_text(encoding="utf-8")
    packages = re.findall(r"\.package\(url: [^)]*\)", manifest)
    expect(packages and all(" exact: " in package for package in packages), f"packages of the day: {packages}")
    last = " ".join(rest for word, rest in steps[[word for word, _ in steps].index("USER") - 8:] if word == "RUN")
    expect(" python3 " in last, "/opt/torch/bin/python links to a Python that is not there")
    # A build sees no GPU that nvcc could ask.
    build = next(rest for word, rest in steps if word == "RUN" and "Scripts/engine" in rest)
    expect('PIPELINE_CUDA_ARCH="${ARCHITECTURES}"' in build, f"for which GPUs? {build}")
    check_engine(arguments["ARCHITECTURES"].strip('"'))
    return f"{len(stages)} stages"


def check_engine(architectures):
    """What Scripts/engine tells nvcc, on machines with and without GPUs; real compilers take minutes and a toolkit."""
    for given, shown, expected in [
        (architectures, "", ["80", "90", "100"]), ("", "", ["80", "90", "100"]), ("", "9.0\n9.0\n8.0", ["80", "90"]),
        ("sm_90,100", "8.0", ["90", "100"]), ("75", "", None), ("hopper", "", None),
    ]:
        with tempfile.TemporaryDirectory() as folder:
            facts = f"printf '{folder}\\n2.11.0+cu130\\n13.0\\n\\n'"
            makes = 'for word; do if [ "$before" = -o ]; then : >"$word"; fi; before=$word; done'
            program(folder, "python", f"cat >/dev/null; {facts}")
            program(folder, "g++", makes)
            program(folder, "bin/nvidia-smi", f"echo '{shown}'" if shown else "exit 9")
            program(folder, "cuda/bin/nvcc", f"""
if [ "$1" = --list-gpu-arch ]; then printf 'compute_%s\\n' 75 80 86 90 100 120; exit; fi
echo "$@" >>'{folder}/told'; {makes}""")
            header = pathlib.Path(folder, "cuda", "include", "cuda_runtime_api.h")
            header.parent.mkdir()
            header.touch()
            ended = subprocess.run(
                [ROOT / "Scripts" / "engine", "--python", f"{folder}/python", "--output", f"{folder}/out", "--cuda"],
                capture_output=True, text=True, env=os.environ | {
                    "PATH": f"{folder}/bin:{os.environ['PATH']}", "CXX": f"{folder}/g++", "CUDA_HOME": f"{folder}/cuda",
                    "PIPELINE_CUDA_ARCH": given})
            if expected is None:
                expect(ended.returncode == 1 and "compute capability" in ended.stderr, f"{given}: {ended.stderr}")
                continue
            expect(ended.returncode == 0, f"{given}, {shown}: {ended.stderr}")
            # Hopper's own instructions need code for exactly that capability.
            exact = {"90": "90a"}
            codes = [f"-gencode=arch=compute_{exact.get(n, n)},code=sm_{exact.get(n, n)}" for n in expected]
            codes.append(f"-gencode=arch=compute_{expected[-1]},code=compute_{expected[-1]}")
            for line in pathlib.Path(folder, "told").read_text(encoding="utf-8").splitlines():
                found = [word for word in line.split() if word.startswith(("-gencode", "-arch"))]
                expect(found == codes, f"{given}, {shown}: {found}")


if __name__ == "__main__" and len(sys.argv) > 1:
    print("ok", {
        "lint": lint, "stacks": stacks, "templates": templates, "parallelcluster": parallelcluster, "hyperpod": hyperpod,
        "nodes": nodes, "container": container,
    }[sys.argv[1]]())
