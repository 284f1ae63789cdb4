{{- define "workflow-do.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* The release's name, unless it says the chart's name already; 52 leaves room for suffixes. */}}
{{- define "workflow-do.fullname" -}}
{{- $name := include "workflow-do.name" . -}}
{{- $full := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) -}}
{{- default $full .Values.fullnameOverride | trunc 52 | trimSuffix "-" -}}
{{- end -}}

{{/* What never changes during the life of a release: the Deployment's selector. */}}
{{- define "workflow-do.selectorLabels" -}}
app.kubernetes.io/name: {{ include "workflow-do.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: operator
{{- end -}}

{{- define "workflow-do.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{ include "workflow-do.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{- define "workflow-do.serviceAccountName" -}}
{{- $own := ternary (include "workflow-do.fullname" .) "default" .Values.serviceAccount.create -}}
{{- default $own .Values.serviceAccount.name -}}
{{- end -}}

{{- define "workflow-do.image" -}}
{{- with .Values.image.registry }}{{ . }}/{{ end -}}
{{ .Values.image.repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end -}}

{{/*
What the operator may do in a namespace that it serves. Nothing on Secrets, Roles or
ServiceAccounts: which of them a Job may use is written in the Action, and checked by Kubernetes.
*/}}
{{- define "workflow-do.rules" -}}
- apiGroups: [workflow.do]
  resources: [actions, workflows, workflowrevisions, workflowruns, workflowapprovals]
  verbs: [get, list, watch]
# Tried only (dry run), to see that one in another's name is refused; the policy lets it make none.
- apiGroups: [workflow.do]
  resources: [workflowapprovals]
  verbs: [create]
- apiGroups: [workflow.do]
  resources: [workflowrevisions]
  verbs: [create, delete]
# Made for steps that start a run of another Workflow. Labels and annotations of a run, and what is
# asked of it; the rest of its spec is immutable. Deleted when the Workflow says so.
- apiGroups: [workflow.do]
  resources: [workflowruns]
  verbs: [create, patch, delete]
- apiGroups: [workflow.do]
  resources: [actions/status, workflows/status, workflowruns/status]
  verbs: [get, patch]
# Some clusters ask for this of whoever makes a run the blocking owner of its Jobs
# (admission plugin OwnerReferencesPermissionEnforcement).
- apiGroups: [workflow.do]
  resources: [workflowruns/finalizers]
  verbs: [update]
# One Job for each try; patch suspends one that must not start any more. All of a run are deleted
# together, some time after it has ended.
- apiGroups: [batch]
  resources: [jobs]
  verbs: [get, list, watch, create, patch, deletecollection]
# A try is stopped by shortening its Pod's activeDeadlineSeconds, which keeps its log and record.
- apiGroups: [""]
  resources: [pods]
  verbs: [get, list, watch, patch]
# The end of the log of a program that failed is kept with the run.
- apiGroups: [""]
  resources: [pods/log]
  verbs: [get]
# Outputs that are too large for the status of their run, one immutable ConfigMap each. Read by the
# name in the status, never listed.
- apiGroups: [""]
  resources: [configmaps]
  verbs: [get, create]
# One Lease for each group of runs that share places (`concurrency` of a Workflow): it names those
# that go on.
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  verbs: [get, list, create, patch, delete]
# Read to say why a Pod is not there yet; written for what a run did.
- apiGroups: [""]
  resources: [events]
  verbs: [get, list, create, patch]
{{- end -}}
