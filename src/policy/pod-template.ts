/**
 * Decides which pod templates of Kubernetes may be used. It lists the fields that pods may have: of those that it doesn't know, some
 * give a pod the node, another account or another program.
 */
import { z } from 'zod';
import type { Problem } from '../platform/problem.ts';
import { notAllowed } from './not-allowed.ts';
import type { PolicyRules } from './policy-schema.ts';

type KubernetesRules = NonNullable<PolicyRules['kubernetes']>;

/** The problems of a pod template, by path. */
export function podTemplateProblems(rules: KubernetesRules, path: string, template: unknown): Problem[] {
  const { error } = podTemplateSchema(rules).safeParse(template);
  return (error?.issues ?? []).flatMap((issue) => {
    const field = [path, ...issue.path].join('.');
    if (issue.code === 'unrecognized_keys')
      return issue.keys.map((key) => ({ path: `${field}.${key}`, message: UNKNOWN_FIELD }));
    return [
      { path: field, message: issue.code === 'custom' ? issue.message : `${REFUSED}: ${issue.message}` },
    ];
  });
}

const REFUSED = "the worker's policy does not allow this value in a pod template";
const UNKNOWN_FIELD =
  "the worker's policy does not allow this field in a pod template: it is not among those that keep a pod apart from its node and from other accounts";

function podTemplateSchema(rules: KubernetesRules) {
  const named = (list: keyof KubernetesRules) =>
    z.string().superRefine((name, context) => {
      if (rules[list].some((pattern) => matches(pattern, name))) return;
      const message = notAllowed(JSON.stringify(name), `add it to kubernetes.${list}`);
      context.addIssue({ code: 'custom', message });
    });
  const text = z.record(z.string(), z.string());
  const annotations = z.record(named('annotations'), z.string());
  const keyOf = (list: 'secrets' | 'configMaps') =>
    z.strictObject({ name: named(list), key: z.string(), optional: z.boolean().optional() });
  const items = z.array(z.looseObject({ key: z.string(), path: z.string() })).optional();
  const anything = z.unknown().optional();

  const container = z.strictObject({
    name: z.string(),
    image: named('images'),
    imagePullPolicy: anything,
    workingDir: anything,
    env: z
      .array(
        z.strictObject({
          name: z.string(),
          value: z.string().optional(),
          valueFrom: z
            .strictObject({
              fieldRef: anything,
              resourceFieldRef: anything,
              secretKeyRef: keyOf('secrets').optional(),
              configMapKeyRef: keyOf('configMaps').optional(),
            })
            .optional(),
        }),
      )
      .optional(),
    envFrom: z
      .array(
        z.strictObject({
          prefix: anything,
          secretRef: z.looseObject({ name: named('secrets') }).optional(),
          configMapRef: z.looseObject({ name: named('configMaps') }).optional(),
        }),
      )
      .optional(),
    resources: anything,
    ports: z
      .array(z.strictObject({ name: anything, containerPort: z.number(), protocol: anything }))
      .optional(),
    securityContext: z
      .strictObject({
        ...userFields(),
        allowPrivilegeEscalation: z.literal(false).optional(),
        privileged: z.literal(false).optional(),
        readOnlyRootFilesystem: anything,
        capabilities: z.strictObject({ drop: anything }).optional(),
      })
      .optional(),
    terminationMessagePolicy: anything,
    volumeMounts: z
      .array(
        z.strictObject({
          name: z.string(),
          mountPath: z.string(),
          readOnly: anything,
          subPath: anything,
        }),
      )
      .optional(),
  });

  const volume = z.strictObject({
    name: z.string(),
    emptyDir: anything,
    persistentVolumeClaim: z.strictObject({ claimName: named('claims'), readOnly: anything }).optional(),
    configMap: z
      .strictObject({ name: named('configMaps'), items, defaultMode: anything, optional: anything })
      .optional(),
    secret: z
      .strictObject({ secretName: named('secrets'), items, defaultMode: anything, optional: anything })
      .optional(),
    downwardAPI: anything,
  });

  return z.strictObject({
    apiVersion: anything,
    kind: anything,
    metadata: z
      .strictObject({ name: anything, labels: text.optional(), annotations: annotations.optional() })
      .optional(),
    spec: z.strictObject({
      containers: z.array(container),
      volumes: z.array(volume).optional(),
      serviceAccountName: named('serviceAccounts').optional(),
      automountServiceAccountToken: z.literal(false).optional(),
      imagePullSecrets: z.array(z.strictObject({ name: named('secrets') })).optional(),
      priorityClassName: named('priorityClasses').optional(),
      securityContext: z
        .strictObject({
          ...userFields(),
          fsGroup: anything,
          fsGroupChangePolicy: anything,
          supplementalGroups: anything,
        })
        .optional(),
      nodeSelector: text.optional(),
      affinity: anything,
      tolerations: anything,
      topologySpreadConstraints: anything,
      terminationGracePeriodSeconds: anything,
      activeDeadlineSeconds: anything,
      restartPolicy: anything,
      enableServiceLinks: anything,
      hostNetwork: z.literal(false).optional(),
      hostPID: z.literal(false).optional(),
      hostIPC: z.literal(false).optional(),
    }),
  });
}

function userFields() {
  return {
    runAsUser: z.number().optional(),
    runAsGroup: z.number().optional(),
    runAsNonRoot: z.boolean().optional(),
    seccompProfile: z.strictObject({ type: z.literal('RuntimeDefault') }).optional(),
  };
}

/** A `*` at the end of a pattern stands for any text. */
function matches(pattern: string, name: string): boolean {
  return pattern.endsWith('*') ? name.startsWith(pattern.slice(0, -1)) : name === pattern;
}
