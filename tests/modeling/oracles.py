"""The paper's equations in NumPy loops, written from the paper and not from the code. Tests compare with these."""

import numpy as np


def sigmoid(value):
    return 1 / (1 + np.exp(-value))


def softmax(scores):
    exponentials = [np.exp(score - max(scores)) for score in scores]
    return [value / sum(exponentials) for value in exponentials]


def attention_lstm(x, words, weights, attention_norm=False, attention_gate=False):
    """Section 3.1 for one image: x [L, C], words [T, E] -> h [T, H], a [T, L]."""
    L, H = len(x), len(weights["W_r"])
    mean = sum(x) / L
    h = np.tanh(mean @ weights["h_0/W"] + weights["h_0/b"])
    c = np.tanh(mean @ weights["c_0/W"] + weights["c_0/b"])
    u = np.array([location @ weights["attention_x/W"] + weights["attention_x/b"] for location in x])
    if attention_norm:
        u = (u - u.mean(0)) / np.sqrt(u.var(0) + 1e-5)
    states, attention = [], []
    for word in words:
        scores = []
        for location in range(L):
            inner = u[location] + h @ weights["attention_h/W"]
            scores.append(float(np.tanh(inner) @ weights["attention_v/W"][:, 0]))
        a = softmax(scores)
        z = sum(a[location] * x[location] for location in range(L))
        if attention_gate:
            z = z * sigmoid(h @ weights["beta/W"][:, 0] + weights["beta/b"][0])
        h, c = lstm_cell(word @ weights["W_w"] + z @ weights["W_z"] + h @ weights["W_r"] + weights["b"], c, H)
        states.append(h)
        attention.append(a)
    return np.array(states), np.array(attention)


def lstm(words, weights):
    """The same without an image, from h_0 = c_0 = 0: words [T, E] -> h [T, H]."""
    H = len(weights["W_r"])
    h = c = np.zeros(H)
    states = []
    for word in words:
        h, c = lstm_cell(word @ weights["W_w"] + h @ weights["W_r"] + weights["b"], c, H)
        states.append(h)
    return np.array(states)


def lstm_cell(gates, c, H):
    i, f, o, g = gates[:H], gates[H : 2 * H], gates[2 * H : 3 * H], gates[3 * H :]
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(c), c


def text_attention(h, W_s1, W_s2):
    """Eq. 3 for one report without padding: h [T, H], W_s1 [s, H], W_s2 [r, s] -> G [r, T]."""
    T, r = len(h), len(W_s2)
    scores = np.zeros((r, T))
    for t in range(T):
        scores[:, t] = W_s2 @ np.tanh(W_s1 @ h[t])
    return np.array([softmax(list(row)) for row in scores])


def aete(G, h):
    """M = G h; maximum over the rows: [H]."""
    r, T = G.shape
    M = [sum(G[i, t] * h[t] for t in range(T)) for i in range(r)]
    return np.array([max(M[i][n] for i in range(r)) for n in range(h.shape[1])])


def saliency_attention(G, a, uniform_share=0.0):
    """Eq. 4: a [T, D, D] -> a_ws [D, D]; at a share of it each a_t is the uniform attention."""
    r, T = G.shape
    a_ws = np.zeros(a.shape[1:])
    for t in range(T):
        g = max(G[i, t] for i in range(r))
        for y in range(a.shape[1]):
            for x in range(a.shape[2]):
                a_ws[y, x] += g * ((1 - uniform_share) * a[t, y, x] + uniform_share / (a.shape[1] * a.shape[2]))
    return a_ws


def sw_gap(a_ws, x):
    """Eq. 5: x [D, D, C] -> [C]."""
    pooled = np.zeros(x.shape[-1])
    for row in range(x.shape[0]):
        for column in range(x.shape[1]):
            pooled += a_ws[row, column] * x[row, column]
    return pooled


def classification_loss(f, y, beta_P, beta_N, lambda_m):
    """Eq. 6, averaged over the batch; labels that are NaN add nothing: f, y [B, K]."""
    total = 0.0
    for study in range(len(y)):
        for m in range(y.shape[1]):
            if y[study, m] == 1:
                total += beta_P * -np.log(f[study, m]) * lambda_m[m]
            elif y[study, m] == 0:
                total += beta_N * -np.log(1 - f[study, m]) * lambda_m[m]
    return total / len(y)


def attention_penalty(G):
    """||G G^T - I||_F^2, averaged over the batch: G [B, r, T]."""
    total = 0.0
    for rows in G:
        for i in range(len(rows)):
            for j in range(len(rows)):
                total += (rows[i] @ rows[j] - (i == j)) ** 2
    return total / len(G)


def label_weights(y):
    """beta and lambda of eq. 6 over what is known: y [Q, K] of 1, 0 and NaN, No_Finding last."""
    P = N = 0
    for study in y:
        if any(value == 1 for value in study[:-1]):
            P += 1
        elif study[-1] == 1 or all(value == 0 for value in study[:-1]):
            N += 1
    lambda_m = []
    for m in range(y.shape[1]):
        known = [value for value in y[:, m] if not np.isnan(value)]
        lambda_m.append((len(known) - known.count(1)) / len(known) if known else 1.0)
    return N / (P + N), P / (P + N), lambda_m
